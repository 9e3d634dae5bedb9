/** The tile solver: where every picture and caption of the wall stands. Pure numbers, shared by canvas and overlay. */
import type { Rect } from './types';

export interface WallSpec {
  /** Room for tiles, CSS pixels, padding already taken off. */
  width: number;
  height: number;
  gap: number;
  caption: number;
  /** Candidates on the wall, all pages. */
  count: number;
  page: number;
  /** Share of a tile's width that the inset takes. */
  inset: number;
}

export interface TileLayout {
  tile: Rect;
  picture: Rect;
  inset: Rect;
  caption: Rect;
}

export interface WallLayout {
  columns: number;
  rows: number;
  tileWidth: number;
  perPage: number;
  pages: number;
  page: number;
  /** Of the first tile on this page. */
  first: number;
  tiles: TileLayout[];
}

/** Below this the wall turns pages instead of shrinking. */
export const MIN_TILE = 140;
/** A page's tiles with insets fill 60 of the 64 video slots; two more are the focus view's. */
export const MAX_TILES = 30;
const ASPECT = 16 / 9;

function best(spec: WallSpec, count: number): { columns: number; rows: number; width: number } {
  let found = { columns: 1, rows: count, width: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (spec.width - spec.gap * (columns - 1)) / columns;
    const byHeight = ((spec.height - spec.gap * (rows - 1)) / rows - spec.caption) * ASPECT;
    const width = Math.floor(Math.min(byWidth, byHeight));
    if (width > found.width) found = { columns, rows, width };
  }
  return found;
}

/** The most tiles of at least [`MIN_TILE`] that fit on one page; one tile always does. */
export function pageSize(spec: WallSpec): number {
  const wanted = Math.min(spec.count, MAX_TILES);
  if (wanted <= 1 || best(spec, wanted).width >= MIN_TILE) return Math.max(1, wanted);
  const columns = Math.max(1, Math.floor((spec.width + spec.gap) / (MIN_TILE + spec.gap)));
  const rows = Math.max(1, Math.floor((spec.height + spec.gap) / (Math.ceil(MIN_TILE / ASPECT) + spec.caption + spec.gap)));
  return Math.min(wanted, columns * rows);
}

export function solve(spec: WallSpec): WallLayout {
  const perPage = pageSize(spec);
  const pages = Math.max(1, Math.ceil(spec.count / perPage));
  const page = Math.min(Math.max(0, spec.page), pages - 1);
  const { columns, rows, width } = best(spec, perPage);
  const height = Math.round(width / ASPECT);
  const first = page * perPage;
  const left = Math.floor((spec.width - (columns * width + (columns - 1) * spec.gap)) / 2);
  const top = Math.max(0, Math.floor((spec.height - (rows * (height + spec.caption) + (rows - 1) * spec.gap)) / 2));
  const insetWidth = Math.round(width * spec.inset);
  const insetHeight = Math.round(insetWidth / ASPECT);
  const tiles: TileLayout[] = [];
  for (let i = 0; i < Math.min(perPage, spec.count - first); i++) {
    const x = left + (i % columns) * (width + spec.gap);
    const y = top + Math.floor(i / columns) * (height + spec.caption + spec.gap);
    tiles.push({
      tile: { x, y, w: width, h: height + spec.caption },
      picture: { x, y, w: width, h: height },
      inset: { x: x + width - insetWidth - 5, y: y + height - insetHeight - 5, w: insetWidth, h: insetHeight },
      caption: { x, y: y + height, w: width, h: spec.caption },
    });
  }
  return { columns, rows, tileWidth: width, perPage, pages, page, first, tiles };
}

/** The largest 16:9 rectangle in a box, centred. */
export function fit(box: Rect, aspect = ASPECT): Rect {
  const w = Math.min(box.w, box.h * aspect);
  const h = w / aspect;
  return { x: Math.round(box.x + (box.w - w) / 2), y: Math.round(box.y + (box.h - h) / 2), w: Math.round(w), h: Math.round(h) };
}

/** Focus: the large picture as large as fits, the other as an inset of 26% in a corner. */
export function solveFocus(width: number, height: number): { picture: Rect; inset: Rect } {
  const picture = fit({ x: 0, y: 0, w: width, h: height });
  const w = Math.round(picture.w * 0.26);
  const h = Math.round(w / ASPECT);
  return { picture, inset: { x: picture.x + picture.w - w - 10, y: picture.y + picture.h - h - 10, w, h } };
}
