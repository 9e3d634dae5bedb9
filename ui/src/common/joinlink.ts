/** Recognises a pasted join link, so that the page can show what is in it. Rust parses it for real. */

export interface JoinLinkParts {
  server: string;
  exam: string;
}

export function readJoinLink(text: string): JoinLinkParts | null {
  const match = /^invigil:\/\/([A-Za-z0-9.\-:[\]]{1,255})\/join\?(\S+)$/.exec(text.trim());
  if (!match?.[1] || !match[2]) return null;
  const query = new URLSearchParams(match[2]);
  const exam = query.get('exam');
  return exam && query.get('secret') ? { server: match[1], exam } : null;
}
