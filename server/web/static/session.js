// Who is signed in. Key and secret live in sessionStorage: they end with the last tab, and are sent nowhere but to the
// API (the key) or nowhere at all (the secret). A new tab asks the other tabs of this browser for them.

const KEY = 'easel.session';
const root = document.documentElement.dataset.root;
const channel = 'BroadcastChannel' in window ? new BroadcastChannel(`easel:${root}`) : null;
const listeners = new Set();

/** The session: {key, secret, name}, or null. */
export function session() {
  const text = sessionStorage.getItem(KEY);
  return text ? JSON.parse(text) : null;
}

/** Keep a session and tell everybody. */
export function signIn(credentials) {
  sessionStorage.setItem(KEY, JSON.stringify(credentials));
  channel?.postMessage({ kind: 'here', credentials });
  changed();
}

/** Forget the session, in all tabs. */
export function signOut() {
  channel?.postMessage({ kind: 'out' });
  forget();
}

/** Call `listener` now, and whenever somebody signs in or out. */
export function onSession(listener) {
  listeners.add(listener);
  listener(session());
}

/** The headers that prove a session, as Wiro's clients sign: HMAC-SHA256(key = API key, message = secret + nonce). */
export async function proof({ key, secret }) {
  if (!secret) return { 'x-api-key': key };
  if (!crypto.subtle) {
    throw new Error('This browser signs calls over HTTPS or on localhost only: open the page under such an address.');
  }
  const bytes = (text) => new TextEncoder().encode(text);
  const nonce = String(Date.now());
  const made = await crypto.subtle.importKey('raw', bytes(key), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', made, bytes(secret + nonce));
  const hex = Array.from(new Uint8Array(signature), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { 'x-api-key': key, 'x-nonce': nonce, 'x-signature': hex };
}

/** Begin anew: whatever a page shows, or has asked for, belongs to who was signed in. */
function forget() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

function changed() {
  for (const listener of listeners) listener(session());
}

channel?.addEventListener('message', ({ data }) => {
  const mine = session();
  if (data.kind === 'who' && mine) channel.postMessage({ kind: 'here', credentials: mine });
  if (data.kind === 'here' && !mine) {
    sessionStorage.setItem(KEY, JSON.stringify(data.credentials));
    changed();
  }
  if (data.kind === 'out' && mine) forget();
});
if (!session()) channel?.postMessage({ kind: 'who' });
