// The npm packages that the tests use, from the folder that the command line names:
//   node PROGRAM BIN_FOLDER DEPENDENCIES_FOLDER [tls]
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

export const binFolder = path.resolve(process.argv[2] ?? '.');
export const dependenciesFolder = path.resolve(process.argv[3] ?? '.');
export const overTls = process.argv[4] === 'tls'; // both legs

const require = createRequire(path.join(dependenciesFolder, 'package.json'));

export function load(name) {
  try {
    return require(name);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    console.log(`${name} is not in ${dependenciesFolder}: run the test interop_deps first`);
    return process.exit(1);
  }
}

export const WebSocket = load('ws');
export const { WebSocketServer } = WebSocket;
