import { expect, test } from "bun:test";
import { webAddress } from "../../src/viewer/web-address.ts";

test.each([
  "https://[",
  "http://a:99999/",
  "https://%zz/",
  "https://a b/",
  "https://",
  "//a",
  "a",
  "",
  "javascript:alert(1)",
  "data:text/html,x",
  "file:///etc/passwd",
  "ftp://a/",
  " https://a/",
])("%p is no address of the web, and nothing is thrown", (text) => {
  expect(webAddress(text)).toBeUndefined();
});

test.each([
  ["https://a.example/x?y#z", "https://a.example/x?y#z"],
  ["HTTP://A.example", "http://a.example/"],
  ["https://[::1]:8443/", "https://[::1]:8443/"],
])("%p is one", (text, href) => {
  expect(webAddress(text)?.href).toBe(href);
});
