/** Files that are taken along as they stand. */
declare module "*/Dockerfile" {
  const text: string;
  export default text;
}
declare module "*.pl" {
  const text: string;
  export default text;
}
declare module "*.mjs" {
  const text: string;
  export default text;
}
