// Calls of the API, signed in the browser. What may be seen is decided there, never here.

import { proof, session } from './session.js';

export const root = document.documentElement.dataset.root;

/** A call that was refused, or could not be made; the message is for people. */
export class ApiError extends Error {
  constructor(message, status = 200, code = 0) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** POST `body` as JSON to /v1/`path`; return the answer. Throws ApiError. */
export async function call(path, body = {}, { credentials = session(), signal } = {}) {
  const headers = { 'content-type': 'application/json' };
  if (credentials) Object.assign(headers, await proof(credentials));
  return answer(await send(`${root}/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body), signal }));
}

/** The same for a form with files. */
export async function callWith(path, form) {
  return answer(await send(`${root}/v1/${path}`, { method: 'POST', headers: await proof(session()), body: form }));
}

/** POST `body` to one of the pages' own addresses, without credentials. */
export async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  return answer(await send(`${root}${path}`, { method: 'POST', headers, body: JSON.stringify(body) }));
}

/** The address of a file as this page reaches it: a task keeps the address it was once sent to. */
export function here(url) {
  const at = url.indexOf('/v1/File/');
  return at < 0 ? url : root + url.slice(at);
}

async function send(url, options) {
  try {
    return await fetch(url, { credentials: 'omit', cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('The server does not answer. Is it running?', 0);
  }
}

async function answer(response) {
  const read = await response.json().catch(() => ({}));
  if (response.ok && read.result !== false) return read;
  if (response.status === 401) throw new ApiError('This server does not know your key and secret. Sign in again.', 401);
  const { message, code } = read.errors?.[0] ?? {};
  throw new ApiError(message ?? `The server answered with status ${response.status}.`, response.status, code);
}
