// Opens every state of both windows in Chromium: keeps a screenshot of each, asks axe about each, and walks the keyboard.
// Every state once at 1440x900 in its window's own theme, and those where size or theme decide in the others too.
// `node e2e/shots.mjs NAME` takes only what has NAME in its name, `--all` takes all sizes and both themes.
import { readFileSync, mkdirSync, rmSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const root = join(import.meta.dirname, '../out/site');
const out = join(import.meta.dirname, '../out/shots');
const all = process.argv.includes('--all');
const only = process.argv.slice(2).find((one) => !one.startsWith('--')) ?? '';
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.woff2': 'font/woff2' };
// The apps' own policy: an inline style or script of ours would fail here as it does there.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-src 'none'; object-src 'none'";
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, 'http://x').pathname);
  const file = join(root, path);
  if (path === '/favicon.ico') return response.writeHead(204).end();
  if (!file.startsWith(root) || !existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': csp });
  response.end(readFileSync(file));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const proctor = ['signin', 'signin-error', 'certificate', 'certificate-changed', 'exams', 'exams-empty', 'exams-admin', 'invitation', 'invitation-reset', 'people', 'people-one', 'people-link', 'people-link-mailed', 'people-link-unmailed', 'people-refused', 'systems', 'systems-empty', 'systems-key', 'systems-secret', 'wall', 'wall-one', 'wall-many', 'wall-demo', 'wall-empty', 'wall-connecting', 'wall-loading', 'wall-offline', 'wall-media-lost', 'wall-media-blocked', 'wall-weak', 'wall-back', 'wall-paused', 'wall-busy', 'wall-shared', 'focus', 'focus-alone', 'focus-waiting', 'focus-moving', 'focus-paused', 'focus-ended', 'focus-signal', 'focus-lost', 'focus-test', 'focus-finished', 'focus-gone'];
const candidate = ['join', 'join-error', 'join-busy', 'join-moving', 'certificate', 'consent', 'consent-keeps', 'declined', 'check', 'check-ok', 'check-starting', 'check-test', 'exam', 'exam-recording', 'exam-warning', 'exam-lost', 'exam-lost-live', 'exam-media-lost', 'exam-media-blocked', 'exam-back', 'exam-listening', 'exam-test', 'exam-elsewhere', 'exam-paused', 'exam-paused-one', 'exam-locked', 'exam-muted', 'exam-early', 'exam-waiting', 'exam-asked', 'ended', 'ended-unsent', 'rejected', 'finished', 'finished-wait'];
const sizes = [[1440, 900], [1024, 700], [1920, 1080]];
const key = {
  1024: ['proctor/office-stays', 'proctor/wall', 'proctor/wall-busy', 'proctor/focus-act', 'proctor/focus-waiting', 'candidate/exam-paused-one', 'proctor/wall-rails', 'proctor/focus-signal', 'proctor/focus-warn', 'proctor/exams', 'proctor/invitation', 'proctor/people', 'proctor/people-invite', 'proctor/people-change', 'proctor/systems', 'proctor/systems-make', 'proctor/systems-change', 'candidate/join', 'candidate/consent', 'candidate/check', 'candidate/exam-lost', 'candidate/exam-media-blocked', 'proctor/wall-media-blocked', 'candidate/exam-chat', 'candidate/exam-muted', 'proctor/wall-shared', 'proctor/wall-say', 'proctor/wall-team', 'proctor/wall-team-one', 'proctor/focus-act-lead'],
  1920: ['proctor/people', 'proctor/people-link', 'proctor/invitation', 'proctor/wall', 'proctor/focus-signal', 'candidate/exam-warning', 'proctor/wall-team'],
  theme: ['proctor/office-stays', 'proctor/systems', 'proctor/systems-add', 'proctor/wall-team', 'proctor/wall-team-one', 'candidate/exam-muted', 'proctor/people', 'proctor/people-invite', 'proctor/invitation', 'proctor/wall', 'proctor/focus-act-extra', 'candidate/exam-asked', 'proctor/focus-signal', 'proctor/signin-error', 'candidate/consent', 'candidate/check', 'candidate/exam-warning', 'candidate/exam-sent'],
};
const office = ['exams-lead', 'exams-reviewer', 'exams-reviewer-empty', 'exams-lead-empty', 'office-new', 'office-new-taken', 'office-details', 'office-details-active', 'office-conflict', 'office-closed', 'office-stays', 'office-stays-closed', 'office-stays-reviewer', 'office-stays-none', 'office-held', 'office-erased', 'office-import-good', 'office-import-bad', 'office-import-header', 'office-secrets', 'office-secret', 'office-link'];
proctor.push(...office);
key[1024].push('proctor/exams-reviewer', 'proctor/office-stays-reviewer', 'proctor/people-link-unmailed', 'proctor/exams-lead', 'proctor/office-details', 'proctor/office-roster', 'proctor/office-import-bad', 'proctor/office-secrets');
key[1920].push('proctor/exams-reviewer', 'proctor/office-stays-reviewer', 'proctor/people-link-unmailed', 'proctor/office-details', 'proctor/office-roster');
key.theme.push('proctor/exams-lead', 'proctor/office-details', 'proctor/office-roster', 'proctor/office-import-bad', 'proctor/office-secrets');
const account = ['signin-provider', 'signin-provider-unknown', 'signin-provider-none', 'signin-browser', 'signin-browser-missing', 'signin-code', 'signin-code-wrong', 'account', 'account-loading', 'account-on', 'account-linked', 'account-not-linked', 'account-few', 'account-changed', 'account-offer', 'account-offer-wrong', 'account-recovery', 'account-enrolled'];
proctor.push(...account);
key[1024].push('proctor/signin-provider', 'proctor/signin-browser-missing', 'proctor/signin-code', 'proctor/account-on', 'proctor/account-offer', 'proctor/account-recovery', 'proctor/account-password');
key[1024].push('candidate/join-moving', 'proctor/focus-moving');
key.theme.push('candidate/join-moving', 'proctor/focus-moving');
key[1920].push('proctor/account-offer', 'proctor/account-on');
key.theme.push('proctor/people-link-unmailed', 'proctor/signin-provider', 'proctor/signin-browser', 'proctor/account-linked', 'proctor/signin-code-wrong', 'proctor/account-on', 'proctor/account-offer', 'proctor/account-recovery', 'proctor/account-password');
const press = (key) => (page) => page.keyboard.press(key);
const then = {
  'proctor/wall-keys': ['wall', press('?')],
  'proctor/wall-screen': ['wall', press('s')],
  'proctor/wall-exam': ['wall-lead', async (page) => { await page.getByRole('button', { name: 'Exam', exact: true }).click(); await page.getByRole('button', { name: 'Close the exam' }).click(); }],
  'proctor/wall-say': ['wall-shared', async (page) => { await page.keyboard.press('b'); await page.locator('#say-text').fill('Five minutes left. Please check your answers.'); }],
  'proctor/wall-everyone': ['wall-shared', press('g')],
  'proctor/wall-team': ['wall-team', (page) => page.getByRole('button', { name: 'Proctors', exact: true }).click()],
  'proctor/wall-team-one': ['wall-team', async (page) => { await page.getByRole('button', { name: 'Proctors', exact: true }).click(); await page.getByRole('button', { name: /^Lucía/ }).click(); }],
  'proctor/wall-team-all': ['wall-team', async (page) => { await page.getByRole('button', { name: 'Proctors', exact: true }).click(); await page.getByRole('button', { name: /^Lucía/ }).click(); await page.getByRole('button', { name: /^Give all/ }).click(); }],
  'proctor/wall-team-out': ['wall-team', async (page) => { await page.getByRole('button', { name: 'Proctors', exact: true }).click(); await page.getByRole('button', { name: /^Ingrid/ }).click(); await page.getByRole('button', { name: /^Put out/ }).click(); }],
  'proctor/focus-act-lead': ['focus-shared', press('a')],
  'proctor/focus-act-out': ['focus-shared', async (page) => { await page.keyboard.press('a'); await page.getByRole('button', { name: /^Put out/ }).click(); await page.locator('#act-reason').fill('Please come back when you are alone in the room.'); }],
  'proctor/wall-demo-screen': ['wall-demo', press('s')],
  'proctor/focus-test-swap': ['focus-test', press('s')],
  'proctor/wall-warn': ['wall', async (page) => { await page.keyboard.press('Tab'); await page.locator('[role=option]').nth(4).focus(); await page.keyboard.press('w'); }],
  'proctor/wall-rails': ['wall', async (page) => { const b = page.getByRole('button', { name: 'Open the timeline' }); if (await b.isVisible()) await b.click(); }],
  'proctor/wall-filter': ['wall', press('3')],
  'proctor/focus-warn': ['focus', async (page) => { await page.keyboard.press('w'); await page.locator('#warn-text').fill('Please unplug the second display. Your exam goes on as soon as it is gone.'); }],
  'proctor/focus-act': ['focus', press('a')],
  'proctor/focus-act-extra': ['focus', async (page) => { await page.keyboard.press('a'); await page.getByRole('button', { name: /^Extra time/ }).click(); await page.locator('#act-reason').fill('The network was down.'); }],
  'proctor/focus-act-moving': ['focus-moving', press('a')],
  'proctor/focus-act-waiting': ['focus-waiting', press('a')],
  'proctor/focus-act-ask': ['focus-waiting', async (page) => { await page.getByRole('button', { name: 'Ask again' }).click(); await page.locator('#act-reason').fill('Please show your desk and both hands.'); }],
  'proctor/focus-warn-waiting': ['focus-lost', async (page) => { await page.keyboard.press('w'); await page.locator('#warn-text').fill('Please come back.'); await page.keyboard.press('Control+Enter'); }],
  'proctor/focus-swap': ['focus', press('s')],
  'proctor/people-invite': ['people', async (page) => { await page.getByRole('button', { name: 'Invite somebody' }).click(); await page.getByLabel('Name', { exact: true }).fill('Tom Ashby'); await page.getByLabel('E-mail', { exact: true }).fill('tom.ashby@example.org'); }],
  'proctor/people-change': ['people', async (page) => { await page.getByRole('button', { name: 'Change Jonas Weber' }).click(); await page.getByRole('radio', { name: /^Proctor/ }).check(); }],
  'proctor/people-deactivate': ['people', async (page) => { await page.getByRole('button', { name: 'Change Jonas Weber' }).click(); await page.getByRole('button', { name: 'Deactivate', exact: true }).click(); }],
  'proctor/people-deactivated': ['people', (page) => page.getByRole('button', { name: 'Change Viktor Marek' }).click()],
  'proctor/account-password': ['account', async (page) => { await page.getByRole('button', { name: 'Change password' }).click(); await page.getByLabel('New password').fill('short'); await page.getByLabel('Current password').fill('correct horse'); }],
  'proctor/account-turn-on': ['account', (page) => page.getByRole('button', { name: 'Turn on' }).click()],
  'proctor/account-turn-off': ['account-on', (page) => page.getByRole('button', { name: 'Turn off' }).click()],
  'proctor/people-factor': ['people', (page) => page.getByRole('button', { name: 'Change Jonas Weber' }).click()],
  'proctor/systems-make': ['systems', async (page) => { await page.getByRole('button', { name: 'Make a key' }).click(); await page.getByLabel('Name of the system').fill('Library'); await page.getByRole('checkbox', { name: /^See exams/ }).check(); }],
  'proctor/systems-revoke': ['systems', (page) => page.getByRole('button', { name: 'Revoke Timetable' }).first().click()],
  'proctor/systems-add': ['systems-invalid', async (page) => { await page.getByRole('button', { name: 'Add an address' }).click(); await page.getByLabel('Address', { exact: true }).fill('http://records.example.org/'); await page.getByRole('radio', { name: 'Only this' }).check(); await page.getByRole('checkbox', { name: 'Something to look at' }).check(); }],
  'proctor/systems-change': ['systems-tested', (page) => page.getByRole('button', { name: 'Change https://records.example.org/hooks/invigil' }).click()],
  'proctor/systems-failing': ['systems-refused', (page) => page.getByRole('button', { name: /^Change https:..alarm/ }).click()],
  'proctor/systems-gone': ['systems', (page) => page.getByRole('button', { name: /^Change https:..old-records/ }).click()],
  'proctor/people-find': ['people', (page) => page.getByRole('searchbox').fill('nobody')],
  'proctor/invitation-differs': ['invitation', async (page) => { await page.getByLabel('Password').fill('correct horse'); await page.getByLabel('The same once more').fill('correct'); }],
  'proctor/signin-invited': ['signin', (page) => page.getByRole('button', { name: 'Invitation' }).click()],
  'proctor/signin-setup': ['signin', (page) => page.getByRole('button', { name: 'First start' }).click()],
  'proctor/office-roster': ['office-roster', (page) => page.getByRole('button', { name: /^Roster/ }).click()],
  'proctor/office-kept-roster': ['office-closed-roster', (page) => page.getByRole('button', { name: /^Roster/ }).click()],
  'proctor/office-kept-hold': ['office-closed-roster', async (page) => { await page.getByRole('button', { name: /^Roster/ }).click(); await page.getByRole('button', { name: 'Hold back' }).nth(1).click(); await page.getByRole('button', { name: 'Erase data' }).nth(1).click(); }],
  'proctor/office-roster-empty': ['office-empty', (page) => page.getByRole('button', { name: /^Roster/ }).click()],
  'proctor/office-edit': ['office-roster', async (page) => { await page.getByRole('button', { name: /^Roster/ }).click(); await page.getByRole('button', { name: 'Edit' }).first().click(); }],
  'proctor/office-import': ['office-empty', async (page) => { await page.getByRole('button', { name: /^Roster/ }).click(); await page.getByRole('button', { name: 'Import a list' }).click(); }],
  'candidate/join-link': ['join', (page) => page.locator('#code').fill('invigil://10.0.0.5:8443/join?exam=MICRO-204&secret=7K3F-9QXT-M2RD')],
  'candidate/consent-ticked': ['consent', (page) => page.getByRole('checkbox').check()],
  'candidate/exam-sent': ['exam', (page) => page.getByRole('button', { name: /^Live/ }).click()],
  'candidate/exam-chat': ['exam-lost', (page) => page.getByRole('button', { name: 'Chat' }).click()],
  'candidate/exam-hand': ['exam', (page) => page.getByRole('button', { name: 'Hand in' }).click()],
  'candidate/exam-essay': ['exam', async (page) => { await page.getByRole('button', { name: 'Next' }).click(); await page.getByRole('button', { name: 'Next' }).click(); }],
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb'] });
const failures = [];
let shots = 0;
let axed = 0;

async function open(page, app, name, theme) {
  await page.goto(`${origin}/states.html?app=${app}&case=${name}&theme=${theme}`);
  await page.waitForFunction(() => document.fonts.status === 'loaded' && document.querySelector('#app > *'));
  await settle(page);
}
/** Two animation frames: the canvas has drawn what the DOM says. */
const settle = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 80)))));

async function check(page, label) {
  await page.evaluate(axe.source);
  const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], rules: { 'page-has-heading-one': { enabled: false } } }));
  axed++;
  for (const violation of result.violations) failures.push(`${label}: ${violation.id}: ${violation.nodes.map((node) => `${node.target} ${node.any[0]?.message ?? ''}`).slice(0, 3).join(' | ')}`);
}

const jobs = [
  ...proctor.map((name) => ['proctor', name, name, null]),
  ...candidate.map((name) => ['candidate', name, name, null]),
  ...Object.entries(then).map(([label, [name, act]]) => [label.split('/')[0], label.split('/')[1], name, act]),
].filter(([app, label]) => `${app}/${label}`.includes(only));

/** A page of this size, whose errors count. */
async function fresh(width, height) {
  const context = await browser.newContext({ viewport: { width, height }, bypassCSP: false, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('pageerror', (error) => failures.push(`${page.url()}: ${error.message}`));
  page.on('console', (message) => { if (message.type() === 'error') failures.push(`${page.url()}: ${message.text()}`); });
  return page;
}
async function gallery(width, height) {
  const page = await fresh(width, height);
  for (const theme of ['dark', 'light']) {
    await page.goto(`${origin}/states.html?theme=${theme}`);
    await page.waitForSelector('canvas');
    await settle(page);
    await page.screenshot({ path: join(out, `states-${theme}.png`), fullPage: true });
    await check(page, `states ${theme}`);
    shots++;
  }
  await page.context().close();
}
/** Takes from the list until it is empty: two of these share the work. */
async function take(list) {
  let page = null;
  for (let item = list.shift(); item; item = list.shift()) {
    const { width, height, theme, job: [app, label, name, act] } = item;
    if (page?.viewportSize().width !== width) {
      await page?.context().close();
      page = await fresh(width, height);
    }
    await open(page, app, name, theme);
    if (act) { await act(page); await settle(page); }
    await page.screenshot({ path: join(out, `${app}-${label}-${width}-${theme}.png`) });
    shots++;
    if (width !== 1920) await check(page, `${app}/${label} ${width} ${theme}`);
  }
  await page?.context().close();
}

const work = [];
for (const [width, height] of sizes) {
  for (const job of jobs) {
    const name = `${job[0]}/${job[1]}`;
    for (const theme of ['dark', 'light']) {
      const first = theme === (job[0] === 'candidate' ? 'light' : 'dark');
      const wanted = width === 1440 ? first || key.theme.includes(name) : first && key[width].includes(name);
      if (wanted || (all && (first || width === 1440))) work.push({ width, height, theme, job });
    }
  }
}
await Promise.all([
  (async () => {
    await keyboard();
    await typedLink();
    await theOffice();
    await take(work);
  })(),
  (async () => {
    if (only === '') await gallery(1440, 900);
    await take(work);
  })(),
]);
await browser.close();
server.close();
for (const failure of failures) console.error(failure);
console.log(`${shots} screenshots in ui/out/shots, ${axed} pages asked by axe, ${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);

/** The wall by keys only: move, open, come back to the same tile, and what was asked of Rust on the way. */
async function keyboard() {
  if (only !== '' && only !== 'keys') return;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await open(page, 'proctor', 'wall', 'dark');
  const expect = (ok, what) => { if (!ok) failures.push(`keyboard: ${what}`); };
  const at = () => page.evaluate(() => document.activeElement?.getAttribute('data-participant'));
  const asked = (verb) => page.evaluate((v) => window.invigilCommands.filter((command) => command.do === v), verb);
  await page.keyboard.press('ArrowRight');
  await settle(page);
  expect((await at()) === 'p001', `the first arrow key takes the first tile, not ${await at()}`);
  expect((await page.locator('[role=option][tabindex="0"]').getAttribute('data-participant')) === 'p001', 'it is the tab stop');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  expect((await at()) === 'p007', `right and down in 5 columns is the 7th, not ${await at()}`);
  await page.keyboard.press('End');
  expect((await at()) === 'p030', 'End is the last');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => window.invigilCommands.some((command) => command.do === 'show'));
  const [wall] = (await asked('show')).slice(-1);
  expect(wall.pictures.length === 56, `29 candidates' pictures, ${wall.pictures.length}`);
  expect(wall.pictures.every((picture) => picture.tile < 64) && new Set(wall.pictures.map((picture) => picture.tile)).size === wall.pictures.length, 'handles are below 64 and distinct');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-region=details]');
  expect((await asked('focus')).at(-1)?.participant === 'p002', 'Enter opens the selected candidate');
  await page.waitForFunction(() => window.invigilCommands.filter((command) => command.do === 'show').at(-1)?.pictures.length === 2);
  await page.keyboard.press('m');
  expect((await asked('listen')).at(-1)?.participant === 'p002', 'M listens');
  await page.waitForFunction(() => window.invigilCommands.some((command) => command.do === 'looked'), undefined, { timeout: 5000 });
  await page.keyboard.press('Escape');
  await page.waitForSelector('[role=option]');
  await settle(page);
  expect((await at()) === 'p002', `Escape comes back to the same tile, not ${await at()}`);
  await page.keyboard.press('n');
  expect((await asked('focus')).at(-1)?.participant === 'p022', 'N opens who waited longest');
  await context.close();
}

/** A join link typed letter by letter: the field stays until it is left. */
async function typedLink() {
  if (only !== '' && only !== 'keys') return;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await open(page, 'candidate', 'join', 'light');
  const code = page.locator('#code');
  await code.fill('');
  await code.pressSequentially('invigil://exams.example/join?exam=BIO-1&secret=7K3F9QXT');
  if ((await code.count()) !== 1) failures.push('typed link: the field went away under the typing hand');
  await code.press('Enter');
  await page.waitForFunction(() => window.invigilCommands.some((command) => command.do === 'join_link'));
  await context.close();
}

/** The exam office by keys and a file: what was typed and chosen is what Rust is asked for. */
async function theOffice() {
  if (only !== '' && only !== 'keys') return;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const expect = (ok, what) => { if (!ok) failures.push(`office: ${what}`); };
  const last = () => page.evaluate(() => window.invigilCommands.at(-1));
  await open(page, 'proctor', 'office-new', 'dark');
  await page.getByLabel('Title').focus();
  await page.keyboard.type('Contract law');
  await page.keyboard.press('Enter');
  expect((await last()) === undefined && (await page.getByRole('alert').textContent())?.includes('code'), 'an exam without a code is not asked for, and the form says why');
  await page.getByLabel('Exam code').fill('law-110');
  await page.getByLabel('Places').fill('64');
  await page.keyboard.press('Enter');
  const made = await last();
  expect(made?.do === 'office' && made.ask.act === 'create' && made.ask.exam.code === 'LAW-110' && made.ask.exam.capacity === 64 && made.ask.exam.ends_at - made.ask.exam.starts_at === 120 * 60e6, `a new exam is asked for: ${JSON.stringify(made)}`);
  await open(page, 'proctor', 'office-details', 'dark');
  await page.getByLabel('Title').fill('Contract law I');
  expect(await page.getByRole('button', { name: 'Schedule' }).isDisabled(), 'nothing is scheduled over changes that are not saved');
  await page.keyboard.press('Enter');
  const saved = await last();
  expect(JSON.stringify(saved) === JSON.stringify({ do: 'office', ask: { act: 'save', edit: { title: 'Contract law I' } } }), `only what is new is saved: ${JSON.stringify(saved)}`);
  await open(page, 'proctor', 'office-empty', 'dark');
  await page.getByRole('button', { name: /^Roster/ }).click();
  await page.getByRole('button', { name: 'Import a list' }).click();
  const csv = '\ufefflabel;seat\nZoë;A1\n';
  await page.locator('input[type=file]').setInputFiles({ name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
  await page.waitForFunction(() => window.invigilCommands.at(-1)?.ask?.act === 'preview');
  expect((await last()).ask.csv === csv, 'the file goes to the server as it is');
  await page.locator('input[type=file]').setInputFiles({ name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from([0xff, 0xfe, 0x6c]) });
  await page.getByRole('alert').waitFor();
  await open(page, 'proctor', 'office-import-good', 'dark');
  await page.getByRole('button', { name: 'Import 10 candidates' }).press('Enter');
  expect((await last()).ask.act === 'import', 'a list in order is imported');
  await open(page, 'proctor', 'office-roster', 'dark');
  await page.getByRole('button', { name: /^Roster/ }).press('Enter');
  const renew = page.getByRole('button', { name: /Mary Somerville/ }).first();
  await renew.press('Enter');
  expect((await last()) === undefined, 'a secret is not voided by one press');
  await renew.press('Enter');
  expect((await last())?.ask?.act === 'renew', 'but by two');
  await context.close();
}
