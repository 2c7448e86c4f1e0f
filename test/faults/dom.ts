/**
 * As much of a browser as the page's session view needs to run where there is none: elements that hold text, children and listeners, and nothing
 * that is drawn. What each of them shows can be read back.
 */
export class FakeElement {
  parentNode: FakeElement | undefined;
  readonly nodes: (FakeElement | string)[] = [];
  readonly attributes = new Map<string, string>();
  readonly dataset: Record<string, string>;
  readonly style: Record<string, unknown> = {
    setProperty: () => undefined,
    removeProperty: () => undefined,
  };
  readonly listeners = new Map<string, ((event: object) => void)[]>();
  readonly classList = {
    add: (...names: string[]) =>
      Object.assign(this, { className: [this.className, ...names].join(" ").trim() }),
  };
  className = "";
  hidden = false;
  disabled = false;
  value = "";
  scrollTop = 0;
  scrollHeight = 0;
  clientHeight = 0;
  clientWidth = 0;

  constructor(readonly tag: string) {
    const { attributes } = this;
    this.dataset = new Proxy<Record<string, string>>(
      {},
      {
        get: (_, name) => attributes.get(`data-${String(name)}`),
        set: (_, name, value) =>
          attributes.set(`data-${String(name)}`, String(value)) !== undefined,
      },
    );
  }

  get children(): FakeElement[] {
    return this.nodes.filter((node) => typeof node !== "string");
  }
  get childElementCount(): number {
    return this.children.length;
  }
  get firstElementChild(): FakeElement | null {
    return this.children[0] ?? null;
  }
  get lastElementChild(): FakeElement | null {
    return this.children.at(-1) ?? null;
  }
  get textContent(): string {
    return this.nodes.map((node) => (typeof node === "string" ? node : node.textContent)).join("");
  }
  set textContent(text: string) {
    this.replaceChildren(...(text === "" ? [] : [text]));
  }
  get isConnected(): boolean {
    return this.parentNode !== undefined;
  }

  append(...nodes: (FakeElement | string)[]): void {
    for (const node of nodes) this.adopt(node, this.nodes.length);
  }
  prepend(...nodes: (FakeElement | string)[]): void {
    for (const [i, node] of nodes.entries()) this.adopt(node, i);
  }
  replaceChildren(...nodes: (FakeElement | string)[]): void {
    for (const child of this.children) child.parentNode = undefined;
    this.nodes.length = 0;
    this.append(...nodes);
  }
  remove(): void {
    const siblings = this.parentNode?.nodes;
    if (siblings !== undefined) siblings.splice(siblings.indexOf(this), 1);
    this.parentNode = undefined;
  }
  contains(other: FakeElement): boolean {
    return this === other || this.children.some((child) => child.contains(other));
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
  }
  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }
  toggleAttribute(name: string, on: boolean): void {
    if (name === "hidden") this.hidden = on;
    else if (on) this.attributes.set(name, "");
    else this.attributes.delete(name);
  }
  /** Nothing is laid out. */
  getBoundingClientRect() {
    return { x: 0, y: 0, width: 0, height: 0 };
  }
  querySelectorAll(selector: string): FakeElement[] {
    return this.all(({ className }) => className.split(" ").includes(selector.slice(1)));
  }
  addEventListener(name: string, listener: (event: object) => void): void {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
  }
  dispatch(name: string): void {
    for (const listener of this.listeners.get(name) ?? [])
      listener({ type: name, detail: 1, preventDefault: () => undefined });
  }
  click(): void {
    if (!this.disabled) this.dispatch("click");
  }
  focus(): void {
    this.dispatch("focus");
  }
  scrollIntoView(): void {
    this.scrollTop = 0;
  }

  /** Everything in here that fits. */
  all(fits: (element: FakeElement) => boolean): FakeElement[] {
    return this.children.flatMap((child) => [...(fits(child) ? [child] : []), ...child.all(fits)]);
  }
  one(className: string): FakeElement {
    const [found] = this.all((element) => element.className.split(" ").includes(className));
    if (found === undefined) throw new Error(`the page has no .${className}`);
    return found;
  }
  /** What is in here, as text that can be compared. */
  get inside(): string {
    return this.nodes
      .map((node) => {
        if (typeof node === "string") return node;
        const { color = "", backgroundColor = "" } = node.style;
        return `<${node.tag} ${node.className} ${color} ${backgroundColor}>${node.inside}</>`;
      })
      .join("");
  }

  private adopt(node: FakeElement | string, at: number): void {
    if (typeof node !== "string") {
      node.remove();
      node.parentNode = this;
    }
    this.nodes.splice(at, 0, node);
  }
}

const place = { host: "", hash: "", replace: () => undefined, reload: () => undefined };
/** Where the page was fetched from. */
export const standAt = (origin: string) =>
  void Object.assign(place, { host: new URL(origin).host });

/** Puts it in the place of the globals that the page's modules use. */
export function fakeBrowser(): void {
  const found = new Map<string, FakeElement>();
  const kept = new Map<string, string>();
  const querySelector = (selector: string) => {
    const element = found.get(selector) ?? new FakeElement("div");
    found.set(selector, element);
    return element;
  };
  const deaf = { addEventListener: () => undefined, removeEventListener: () => undefined };
  Object.assign(globalThis, {
    document: {
      ...deaf,
      createElement: (tag: string) => new FakeElement(tag),
      querySelector,
      getSelection: () => null,
      body: new FakeElement("body"),
      title: "",
      hidden: false,
    },
    window: { ...deaf, visualViewport: null },
    location: place,
    localStorage: {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    },
    HTMLElement: FakeElement,
    Element: FakeElement,
    ResizeObserver: class {
      observe() {
        return undefined;
      }
    },
    MutationObserver: class {
      observe() {
        return undefined;
      }
    },
    getComputedStyle: () => ({ paddingLeft: "0", fontSize: "13px", getPropertyValue: () => "" }),
    requestAnimationFrame: (act: () => void) => setTimeout(act, 16),
    confirm: () => false,
    isSecureContext: true,
  });
}
