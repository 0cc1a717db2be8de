// Signing in: by a one-time link (its code stands behind the #, which browsers never send), or by key and secret.

import { ApiError, call, post, root } from './api.js';
import { $ } from './dom.js';
import { signIn } from './session.js';

const code = new URLSearchParams(location.hash.slice(1)).get('code');
history.replaceState(null, '', location.pathname + location.search); // not in the history, nor over a shoulder

if (code) redeem();

$('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault();
  const credentials = { key: $('api-key').value.trim(), secret: $('api-secret').value.trim(), name: '' };
  $('problem').hidden = true;
  try {
    await call('Task/List', { limit: '1' }, { credentials });
    enter({ ...credentials, name: $('sign-in').dataset.name ?? '' });
  } catch (error) {
    const unknown = error instanceof ApiError && error.status === 401;
    refuse(unknown ? 'No project of this server has this key and secret. Check both.' : error.message);
  }
});

$('api-key').addEventListener('paste', (event) => {
  const pasted = event.clipboardData.getData('text').trim();
  if (!pasted.startsWith('{')) return;
  event.preventDefault();
  try {
    const { apiKey, apiSecret, name } = JSON.parse(pasted);
    $('api-key').value = apiKey ?? '';
    $('api-secret').value = apiSecret ?? '';
    $('sign-in').dataset.name = name ?? '';
  } catch {
    refuse('What was pasted begins like project.json, but is not the whole of it.');
  }
});

async function redeem() {
  $('link-state').hidden = false;
  $('link-state').textContent = 'Signing in …';
  try {
    const { apiKey, apiSecret, name } = await post('/sign-in/redeem', { code });
    enter({ key: apiKey, secret: apiSecret ?? '', name });
  } catch (error) {
    $('link-state').textContent = error.message;
  }
}

function enter(credentials) {
  signIn(credentials);
  const next = new URLSearchParams(location.search).get('next') ?? '';
  // Within this server only: asked of the parser that the browser goes by, which takes tabs and backslashes for less.
  const there = new URL(root + (next.startsWith('/') ? next : '/models'), location.origin);
  location.replace(there.origin === location.origin ? there : `${root}/models`);
}

function refuse(message) {
  $('problem').textContent = message;
  $('problem').hidden = false;
}
