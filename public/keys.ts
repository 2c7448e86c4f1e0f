import { type DeviceKeys, mac } from "../src/auth.ts";

/** Who this browser is to the server. In a secure context the keys can be used but not read, by nobody. */
export interface Identity {
  device: string;
  name: string;
  request: CryptoKey | Uint8Array;
  clock: CryptoKey | Uint8Array;
}

const STORE = "identity";

/** The browser lets the page keep nothing. */
export class StorageError extends Error {
  constructor(why: unknown) {
    super(
      `This browser lets the page keep nothing, so it can't stay paired. Is this a private window? Open it in an ordinary one. (${why})`,
    );
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    if (!indexedDB) throw new StorageError("no IndexedDB");
    const request = indexedDB.open("claude-remote", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(new StorageError(request.error));
  });
}

async function inStore<T>(
  mode: IDBTransactionMode,
  use: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const db = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      const request = use(db.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new StorageError(request.error));
    });
  } finally {
    db.close();
  }
}

/** This browser's identity, or undefined before it is paired. */
export function loadIdentity(): Promise<Identity | undefined> {
  return inStore<Identity | undefined>("readonly", (store) => store.get("self"));
}

export async function saveIdentity(
  device: string,
  name: string,
  keys: DeviceKeys,
): Promise<Identity> {
  const identity: Identity = {
    device,
    name,
    request: await lock(keys.request),
    clock: await lock(keys.clock),
  };
  await inStore("readwrite", (store) => store.put(identity, "self"));
  return identity;
}

/** Plain HTTP beyond loopback has no WebCrypto: there the keys stay bytes. */
async function lock(key: Uint8Array): Promise<CryptoKey | Uint8Array> {
  if (!isSecureContext) return key;
  return crypto.subtle.importKey(
    "raw",
    new Uint8Array(key),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
}

/** HMAC-SHA256 under one of this browser's keys. */
export async function macWith(key: CryptoKey | Uint8Array, text: string): Promise<Uint8Array> {
  if (key instanceof Uint8Array) return mac(key, text);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text)));
}
