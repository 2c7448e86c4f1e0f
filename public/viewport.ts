/**
 * Tells the style sheet how much height is to be seen (`--seen`): iOS lays its keyboard over the page without making it smaller, so that what
 * stands at the bottom would lie under it. Zooming in with two fingers is no such change.
 */
export function followViewport(): void {
  const seen = window.visualViewport;
  if (seen === null) return;
  const follow = () => {
    if (seen.scale !== 1) return;
    document.documentElement.style.setProperty("--seen", `${Math.round(seen.height)}px`);
    if (seen.offsetTop > 0 && document.querySelector("main.one") !== null) window.scrollTo(0, 0); // iOS pushes the page up; it fits now
  };
  seen.addEventListener("resize", follow);
  seen.addEventListener("scroll", follow);
  follow();
}
