/** One timer for every clock in a window, so that all of them change at once. */

let wall = $state(Date.now());
let frozen = false;

function tick() {
  if (frozen) return;
  wall = Date.now();
  setTimeout(tick, 1000 - (wall % 1000) + 5);
}
tick();

/** The fixtures page stops time, so that two screenshots are alike. */
export function freezeClock(ms: number) {
  frozen = true;
  wall = ms;
}

/** Microseconds since the Unix epoch by the server's clock, renewed once a second. */
export const serverNow = (offsetUs: number): number => wall * 1000 + offsetUs;
