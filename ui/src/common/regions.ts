/** F6: from one region of a window to the next. */
export function nextRegion(backwards: boolean): void {
  const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')];
  if (regions.length === 0) return;
  const at = regions.findIndex((region) => region.contains(document.activeElement));
  const to = at < 0 ? 0 : (at + (backwards ? regions.length - 1 : 1)) % regions.length;
  const region = regions[to];
  (region?.querySelector<HTMLElement>('[role=option][tabindex="0"]') ?? region)?.focus();
}
