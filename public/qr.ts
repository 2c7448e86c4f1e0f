import { encode } from "uqr";

/** Light modules around the code: a scanner needs four to find it. */
const QUIET = 4;

/** A QR code as a picture, dark on light whatever the page's colours are. */
export function qrCode(text: string, label: string): SVGSVGElement {
  const { data, size } = encode(text, { border: QUIET, ecc: "M" });
  const make = <Tag extends "svg" | "rect" | "path">(
    tag: Tag,
    attrs: Record<string, string>,
  ): SVGElementTagNameMap[Tag] => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
    return element;
  };
  const dark = data
    .flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  const svg = make("svg", {
    viewBox: `0 0 ${size} ${size}`,
    class: "qr",
    role: "img",
    "aria-label": label,
    "shape-rendering": "crispEdges",
  });
  svg.append(
    make("rect", { width: String(size), height: String(size), fill: "#fff" }),
    make("path", { d: dark, fill: "#000" }),
  );
  return svg;
}
