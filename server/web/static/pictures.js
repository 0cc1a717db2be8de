// Pictures with what one does with them: look closer, download, copy the seed.

import { here } from './api.js';
import { copy, h } from './dom.js';
import { picturesOf, seedOf } from './task-facts.js';

/** What a picture that is no button needs to be uncovered by key, where pictures are blurred. */
export const COVERED = document.body.classList.contains('blur')
  ? { tabindex: 0, role: 'button', 'aria-label': 'Show the picture' }
  : {};

/** A task's pictures as figures. */
export function figures(task) {
  const files = picturesOf(task);
  return files.map((file, index) => figure(task, files, index));
}

/** Put a picture on its way into a place, over the one before it. */
export function showPreview(place, { contenttype, data, width, height }) {
  let image = place.querySelector('.preview img');
  if (!image) {
    image = h('img', { alt: 'The picture on its way', width, height });
    place.replaceChildren(h('div', { class: 'picture preview', ...COVERED }, image));
  }
  image.src = `data:${contenttype};base64,${data}`;
}

function figure(task, files, index) {
  const file = files[index];
  const sample = Number.parseInt(file.name, 10) || 0;
  const seed = seedOf(task, sample);
  const name = `${task.modelslugproject}-${task.id}-${file.name}`;
  const { width, height } = task.parameters ?? {};
  const image = h('img', { src: here(file.url), alt: `Picture ${index + 1}`, width: width || 512, height: height || 512 });
  return h(
    'figure',
    {},
    h('button', { type: 'button', class: 'picture', 'aria-label': `Look closer at picture ${index + 1}`, onclick: () => zoom(files, index) }, image),
    h(
      'figcaption',
      { class: 'row small' },
      seed && h('button', { type: 'button', class: 'plain seed', title: 'Copy the seed', onclick: () => copy(seed, 'Seed copied') }, `seed ${seed}`),
      h('a', { class: 'button plain', href: here(file.url), download: name }, 'Download'),
    ),
  );
}

/** Open a dialog with one of the files, and the others beside it. */
export function zoom(files, index) {
  let at = index;
  const image = h('img', { alt: '' });
  const place = h('span', { class: 'small' });
  const dialog = h(
    'dialog',
    { class: 'zoom', 'aria-label': 'Picture', onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
    image,
    h(
      'div',
      { class: 'row' },
      files.length > 1 && h('button', { type: 'button', onclick: () => show(at - 1), 'aria-label': 'The one before' }, '←'),
      place,
      files.length > 1 && h('button', { type: 'button', onclick: () => show(at + 1), 'aria-label': 'The next one' }, '→'),
      h('button', { type: 'button', onclick: () => dialog.close() }, 'Close'),
    ),
  );
  dialog.addEventListener('keydown', ({ key }) => {
    if (key === 'ArrowLeft') show(at - 1);
    if (key === 'ArrowRight') show(at + 1);
  });

  function show(next) {
    at = (next + files.length) % files.length;
    image.src = here(files[at].url);
    image.alt = `Picture ${at + 1} of ${files.length}`;
    place.textContent = `${at + 1} of ${files.length}`;
  }

  document.body.append(dialog);
  show(at);
  dialog.showModal();
}
