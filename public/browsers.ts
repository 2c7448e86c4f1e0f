/**
 * The oldest browsers that the page works in, by their names in browser-compat-data. What any of them lacks is not used without
 * looking for it first: the tests compare every use with that data. The README names the same versions.
 */
export const OLDEST_BROWSERS = {
  safari: "16.4",
  safari_ios: "16.4",
  firefox: "140", // ESR
  chrome: "109",
  chrome_android: "109",
} as const;

/** The same in words. */
export const OLDEST_BROWSERS_WORDS = `Safari and iOS ${OLDEST_BROWSERS.safari}, Firefox ESR (${OLDEST_BROWSERS.firefox}), Chrome ${OLDEST_BROWSERS.chrome}`;
