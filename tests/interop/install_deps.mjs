// Installs what package-lock.json names into a folder of the build, where the lock has changed:
//   node install_deps.mjs FOLDER
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const source = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const folder = path.resolve(process.argv[2]);
const stamp = path.join(folder, 'installed-lock.json');
const lock = fs.readFileSync(path.join(source, 'package-lock.json'), 'utf8');

if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock) {
  console.log('nothing has changed');
  process.exit(0);
}
fs.mkdirSync(folder, { recursive: true });
fs.rmSync(stamp, { force: true });
for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
  fs.copyFileSync(path.join(source, file), path.join(folder, file));
}
const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
const install = spawnSync('npm', ['ci', ...options], {
  cwd: folder,
  env: { ...process.env, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1' },
  stdio: ['ignore', 'inherit', 'inherit'],
  timeout: 110_000,
});
if (install.error || install.status !== 0) {
  const why = install.error?.code === 'ENOENT' ? 'npm is missing: `make test-deps` installs it'
                                               : install.error ?? `status ${install.status}`;
  console.log(`npm ci failed: ${why}`);
  process.exit(1);
}
fs.writeFileSync(stamp, lock);
