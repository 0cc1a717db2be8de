// What every page does: say who is signed in, and uncover a picture that the operator has blurred.

import { root } from './api.js';
import { $, h } from './dom.js';
import { onSession, signOut } from './session.js';

onSession((who) => {
  const next = encodeURIComponent(location.pathname.slice(root.length) + location.search);
  const shown = who
    ? [
        h('span', { title: `API key ${who.key.slice(0, 6)}…` }, who.name || `${who.key.slice(0, 6)}…`),
        h('button', { type: 'button', class: 'plain', onclick: signOut }, 'Sign out'),
      ]
    : [h('a', { href: `${root}/sign-in?next=${next}` }, 'Sign in')];
  $('who').replaceChildren(...shown);
});

if (document.body.classList.contains('blur')) {
  // The first click or key on a covered picture uncovers it, and does nothing else.
  const uncover = (event) => {
    const covered = event.target.closest?.('.picture:not(.shown)');
    if (!covered || (event.type === 'keydown' && !['Enter', ' '].includes(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    covered.classList.add('shown');
  };
  document.addEventListener('click', uncover, true);
  document.addEventListener('keydown', uncover, true);
}
