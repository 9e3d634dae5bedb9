/** Light or dark: the app's own start, then what this person chose last on this machine. */

const KEY = 'invigil-theme';
type Theme = 'light' | 'dark';

const root = document.documentElement;
const stored = (): Theme | null => {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null;
  }
};

const first: Theme = stored() ?? (root.dataset.theme === 'light' ? 'light' : 'dark');
root.dataset.theme = first;
let current = $state<Theme>(first);

export const theme = (): Theme => current;

export function setTheme(next: Theme): void {
  current = next;
  root.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A web view without storage: the choice lasts for this window.
  }
}
