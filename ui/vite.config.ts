import { svelte } from '@sveltejs/vite-plugin-svelte';
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const page = (...names: string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, resolve(import.meta.dirname, `${name}.html`)]));

/** `--mode states` builds the fixtures page on its own, so that it never lands in an app's bundle. */
export default defineConfig(({ mode }) => ({
  base: './',
  plugins: [svelte()],
  build: {
    target: ['es2022', 'safari16'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    outDir: mode === 'states' ? 'out/site' : 'dist',
    emptyOutDir: true,
    rollupOptions: {
      input: mode === 'states' ? page('states') : page('candidate', 'proctor'),
    },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
}));
