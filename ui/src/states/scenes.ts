/** Painted stand-ins for camera and screen, for the fixtures page only: no real person, the same every time. */

type Context = CanvasRenderingContext2D;

function random(seed: number): () => number {
  let t = Math.imul(seed, 2654435761) >>> 0;
  return () => {
    t = (t + 0x6d2b79f5) | 0;
    let r = Math.imul(t ^ (t >>> 15), 1 | t);
    r = (r + Math.imul(r ^ (r >>> 7), 61 | r)) ^ r;
    return ((r ^ (r >>> 14)) >>> 0) / 4294967296;
  };
}
const pick = <T>(list: readonly T[], r: number): T => list[Math.floor(r * list.length) % list.length] as T;

const walls = [['#59636f', '#39424d'], ['#6b6256', '#443c33'], ['#4f6062', '#2f3c40'], ['#66606e', '#403b49'], ['#5b6a5b', '#374337'], ['#71665f', '#473d38'], ['#56667a', '#344255']] as const;
const skins = ['#e6c3a5', '#c99673', '#8d5b3f', '#f0d3bb', '#a8714e', '#6d4530'];
const clothes = ['#2f4a6d', '#5c3b47', '#34524a', '#3d3d47', '#7a6a52', '#45546b', '#6b4a3a', '#2b3a35'];
const hairs = ['#221a16', '#3a2a1e', '#5a4632', '#18171a', '#6b5a48', '#2c2523'];

function round(c: Context, x: number, y: number, w: number, h: number, r: number) {
  c.beginPath();
  c.roundRect(x, y, w, h, r);
}

export function camera(c: Context, w: number, h: number, seed: number): void {
  const q = random(seed * 7 + 3);
  const [light, dark] = pick(walls, q());
  const wall = c.createLinearGradient(0, 0, w, h);
  wall.addColorStop(0, light);
  wall.addColorStop(1, dark);
  c.fillStyle = wall;
  c.fillRect(0, 0, w, h);
  const what = Math.floor(q() * 4);
  if (what === 0) {
    c.fillStyle = '#dfe7ee22';
    c.fillRect(w * 0.06, h * 0.08, w * 0.26, h * 0.46);
    c.fillStyle = '#e9f0f640';
    c.fillRect(w * 0.08, h * 0.11, w * 0.105, h * 0.4);
    c.fillRect(w * 0.195, h * 0.11, w * 0.105, h * 0.4);
  } else if (what === 1) {
    for (let r = 0; r < 3; r++) {
      c.fillStyle = '#00000038';
      c.fillRect(w * 0.7, h * (0.1 + r * 0.2), w * 0.28, h * 0.17);
      for (let x = w * 0.71; x < w * 0.95; ) {
        const width = w * (0.012 + q() * 0.02);
        c.fillStyle = `hsl(${Math.floor(q() * 360)} 22% ${38 + Math.floor(q() * 18)}%)`;
        c.fillRect(x, h * (0.13 + r * 0.2 + q() * 0.03), width, h * 0.12);
        x += width + w * 0.004;
      }
    }
  } else {
    c.fillStyle = what === 2 ? '#00000026' : '#ffffff1c';
    c.fillRect(w * (what === 2 ? 0.72 : 0.1), h * 0.1, w * 0.18, h * (what === 2 ? 0.9 : 0.24));
  }
  person(c, w, h, w * (0.5 + (q() - 0.5) * 0.14), 1.02 + q() * 0.1, seed);
  const shade = c.createLinearGradient(0, h * 0.5, 0, h);
  shade.addColorStop(0, '#0000');
  shade.addColorStop(1, '#00000044');
  c.fillStyle = shade;
  c.fillRect(0, 0, w, h);
}

function person(c: Context, _w: number, h: number, cx: number, size: number, seed: number): void {
  const p = random(seed * 13 + 1);
  const [skin, cloth, hair, style] = [pick(skins, p()), pick(clothes, p()), pick(hairs, p()), Math.floor(p() * 4)];
  const H = h * size;
  const [hy, hw, hh] = [h - H * 0.62, H * 0.155, H * 0.2];
  if (style === 1) {
    c.fillStyle = hair;
    round(c, cx - hw * 1.28, hy - hh * 1.05, hw * 2.56, hh * 2.7, hw * 1.15);
    c.fill();
  }
  c.fillStyle = cloth;
  c.beginPath();
  c.moveTo(cx - H * 0.42, h + 2);
  c.bezierCurveTo(cx - H * 0.42, h - H * 0.26, cx - H * 0.2, h - H * 0.285, cx - H * 0.1, h - H * 0.31);
  c.lineTo(cx + H * 0.1, h - H * 0.31);
  c.bezierCurveTo(cx + H * 0.2, h - H * 0.285, cx + H * 0.42, h - H * 0.26, cx + H * 0.42, h + 2);
  c.fill();
  c.fillStyle = skin;
  round(c, cx - H * 0.068, hy + hh * 0.5, H * 0.136, H * 0.19, H * 0.06);
  c.fill();
  c.beginPath();
  c.ellipse(cx, hy, hw, hh, 0, 0, 7);
  c.fill();
  c.fillStyle = '#00000018';
  c.beginPath();
  c.ellipse(cx + hw * 0.38, hy + hh * 0.06, hw * 0.62, hh * 0.94, 0, 0, 7);
  c.fill();
  c.fillStyle = hair;
  c.beginPath();
  c.ellipse(cx, hy - hh * 0.28, hw * 1.08, hh * 0.82, 0, Math.PI, 0);
  c.bezierCurveTo(cx + hw * 1.05, hy - hh * 0.1, cx + hw * 0.7, hy - hh * 0.42, cx + hw * 0.1, hy - hh * 0.4);
  c.bezierCurveTo(cx - hw * 0.5, hy - hh * 0.42, cx - hw * 0.95, hy - hh * 0.2, cx - hw * 1.08, hy - hh * 0.28);
  c.fill();
  if (style === 2) {
    c.beginPath();
    c.arc(cx, hy - hh * 1.12, hw * 0.46, 0, 7);
    c.fill();
  }
}

export function screen(c: Context, w: number, h: number, seed: number): void {
  const q = random(seed * 31 + 5);
  const u = w / 100;
  const bar = (colour: string, x: number, y: number, width: number, height: number) => {
    c.fillStyle = colour;
    round(c, u * x, u * y, u * width, u * height, u * 0.5);
    c.fill();
  };
  const kind = pick(['quiz', 'quiz', 'essay', 'quiz', 'code'], q());
  if (kind === 'code') {
    c.fillStyle = '#1b1f27';
    c.fillRect(0, 0, w, h);
    bar('#242a34', 0, 0, 100, 4);
    for (let y = 8; y < 53; y += 3) {
      let x = 20 + Math.floor(q() * 4) * 3;
      for (let i = 0; i < 1 + q() * 4; i++) {
        const width = 4 + q() * 12;
        bar(`${pick(['#7aa2f7', '#9ece6a', '#c0caf5', '#bb9af7', '#e0af68'], q())}cc`, x, y, width, 1.3);
        x += width + 1.5;
      }
    }
    return;
  }
  c.fillStyle = '#f7f8fa';
  c.fillRect(0, 0, w, h);
  bar('#23395f', 0, 0, 100, 4.6);
  bar('#ffffffbb', 3, 1.6, 22, 1.5);
  if (kind === 'essay') {
    bar('#ffffff', 16, 7, 68, 60);
    bar('#2b3440', 21, 11, 30, 2.2);
    for (let y = 16; y < 34 + q() * 14; y += 2.5) bar('#8b95a3', 21, y, q() < 0.2 ? 30 : 52 + q() * 6, 1.1);
    return;
  }
  bar('#2b3440', 9, 10, 40 + q() * 30, 2.4);
  bar('#8b95a3', 9, 15, 70, 1.3);
  bar('#8b95a3', 9, 18, 40 + q() * 24, 1.3);
  const chosen = Math.floor(q() * 4);
  for (let i = 0; i < 4; i++) {
    c.fillStyle = i === chosen ? '#dfe7fb' : '#fff';
    c.strokeStyle = i === chosen ? '#2f56d0' : '#cfd6df';
    c.lineWidth = Math.max(0.6, u * 0.25);
    round(c, u * 9, u * (24 + i * 6.6), u * 62, u * 5, u * 0.7);
    c.fill();
    c.stroke();
    bar('#8b95a3', 15, 25.9 + i * 6.6, 18 + q() * 28, 1.2);
  }
  bar('#2f56d0', 58, 51, 13, 3.6);
}
