import { expect, test } from "bun:test";
import * as auth from "../src/auth.ts";
import vectors from "./fixtures/auth-vectors.json";

const bytes = (text: string) => auth.fromBase64url(text) ?? new Uint8Array();
const { pairing, websocket, clock } = vectors;
const secret = bytes(pairing.device_secret);
const keys = auth.deviceKeys(secret);

test("pairing derives what the independent implementation derived", () => {
  const code = bytes(pairing.code);
  expect(auth.codeId(code)).toBe(pairing.code_id);
  expect(
    auth.toBase64url(auth.pairRequestMac(code, "viewer", pairing.name, pairing.client_nonce)),
  ).toBe(pairing.request_mac);
  expect(
    auth.toBase64url(
      auth.pairResponseMac(code, pairing.device, pairing.client_nonce, pairing.server_nonce),
    ),
  ).toBe(pairing.response_mac);
  expect(
    auth.toBase64url(
      auth.deviceSecret(code, pairing.device, pairing.client_nonce, pairing.server_nonce),
    ),
  ).toBe(pairing.device_secret);
  expect(auth.toBase64url(keys.request)).toBe(vectors.request_key);
});

test.each(vectors.requests)("signs $method $target", (request) => {
  const signed = { ...request, bodyHash: auth.sha256hex(request.body), device: pairing.device };
  expect(auth.stringToSign(signed)).toBe(request.string_to_sign);
  expect(auth.signRequest(keys, { ...request, device: pairing.device })).toBe(
    request.authorization,
  );
  expect(auth.parseAuthorization(request.authorization)).toEqual({
    device: pairing.device,
    ts: request.ts,
    nonce: request.nonce,
    mac: request.mac,
  });
});

test("the server's time and greeting carry the expected MACs", () => {
  expect(
    auth.toBase64url(auth.mac(keys.clock, auth.clockText(pairing.device, clock.nonce, clock.time))),
  ).toBe(clock.mac);
  const hello = auth.helloMac(
    keys,
    pairing.device,
    websocket.client_nonce,
    websocket.server_nonce,
    websocket.conn,
  );
  expect(auth.toBase64url(hello)).toBe(websocket.hello_mac);
});

test("frames are sealed per direction, and open only unchanged and in their place", () => {
  const { c2s, s2c } = auth.connectionKeys(
    secret,
    websocket.client_nonce,
    websocket.server_nonce,
    websocket.conn,
  );
  expect(auth.toBase64url(c2s)).toBe(websocket.key_c2s);
  expect(auth.toBase64url(s2c)).toBe(websocket.key_s2c);
  const frame = auth.sealFrame(s2c, websocket.frame.seq, websocket.frame.payload);
  expect(auth.toBase64url(frame)).toBe(websocket.frame.bytes);
  expect(auth.openFrame(s2c, 5, frame)).toBe(websocket.frame.payload);
  expect(auth.openFrame(s2c, 6, frame)).toBeUndefined();
  expect(auth.openFrame(c2s, 5, frame)).toBeUndefined();
  expect(auth.openFrame(s2c, 5, frame.subarray(0, 39))).toBeUndefined();
  for (const at of [0, 31, 39, frame.length - 1]) {
    const changed = frame.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(auth.openFrame(s2c, 5, changed)).toBeUndefined();
  }
  const notUtf8 = frame.slice();
  notUtf8[40] = 0xff;
  expect(
    auth.openFrame(
      s2c,
      5,
      new Uint8Array([...auth.mac(s2c, notUtf8.subarray(32)), ...notUtf8.subarray(32)]),
    ),
  ).toBeUndefined();
});

test("a frame is sealed and opened, whatever has failed in OpenSSL before", async () => {
  const key = new Uint8Array(32);
  /** As a phone's push key that is none. */
  const fail = () =>
    crypto.subtle
      .importKey("raw", new Uint8Array(65).fill(7), { name: "ECDH", namedCurve: "P-256" }, true, [])
      .catch(() => "failed");
  expect(await fail()).toBe("failed");
  const frame = auth.sealFrame(key, 0, "{}");
  await fail();
  expect(auth.openFrame(key, 0, frame)).toBe("{}");
});

test("an Authorization header of any other form is refused", () => {
  const good = vectors.requests[0]?.authorization ?? "";
  for (const bad of [
    null,
    "",
    "Bearer x",
    good.replace("CR1", "CR2"),
    `${good},x=1`,
    ` ${good}`,
    good.replace("ts=", "ts=-"),
    good.replace("nonce=", "nonce=\n"),
  ]) {
    expect(auth.parseAuthorization(bad)).toBeUndefined();
  }
});

test("base64url is accepted in its canonical form alone", () => {
  expect(auth.fromBase64url("AAECAw")).toEqual(new Uint8Array([0, 1, 2, 3]));
  for (const bad of ["AAECAx", "AAECAw==", "A", "AA+/", "AAECAw\n"])
    expect(auth.fromBase64url(bad)).toBeUndefined();
  expect(auth.fromBase64url("AAECAw", 5)).toBeUndefined();
});
