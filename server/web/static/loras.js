// LoRAs live in the prompt, as <lora:name:weight>: this is a second view of it, with sliders.

import { $, h } from './dom.js';

const TAG = /<lora:([^:<>]+)(?::(-?[\d.]+))?(:[^<>]*)?>,?\s*/g;

/** Show the prompt's LoRAs with their weights, and let people add others. */
export function pickLoras(prompt) {
  if (!$('lora')) return;
  let shown = '';

  const changed = () => prompt.dispatchEvent(new Event('input', { bubbles: true }));

  function add() {
    const name = $('lora').value.trim();
    if (!name || /[<>:]/.test(name)) return;
    prompt.value = `<lora:${name}:1>, ${prompt.value}`;
    $('lora').value = '';
    changed();
  }

  function show() {
    const tags = [...prompt.value.matchAll(TAG)];
    const names = JSON.stringify(tags.map(([, name]) => name));
    if (names === shown) return; // a slider that is being dragged stays where it is
    shown = names;
    $('lora-list').replaceChildren(...tags.map(([, name, weight], index) => row(name, weight ?? '1', index)));
  }

  function row(name, weight, index) {
    const number = h('output', { class: 'mono' }, Number(weight).toFixed(2));
    const slider = h('input', {
      type: 'range', min: 0, max: 2, step: 0.05, value: weight, 'aria-label': `Weight of ${name}`,
      oninput: () => {
        number.textContent = Number(slider.value).toFixed(2);
        change(index, (tag) => `<lora:${tag[1]}:${slider.value}${tag[3] ?? ''}>${tag[0].slice(tag[0].indexOf('>') + 1)}`);
      },
    });
    const remove = h('button', {
      type: 'button', class: 'plain square', 'aria-label': `Remove ${name}`, onclick: () => change(index, () => ''),
    }, '×');
    return h('li', {}, h('span', { class: 'name' }, name), slider, number, remove);
  }

  function change(index, make) {
    let at = -1;
    prompt.value = prompt.value.replace(TAG, (...tag) => (++at === index ? make(tag) : tag[0]));
    changed();
  }

  $('lora-add').addEventListener('click', add);
  $('lora').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    add();
  });
  prompt.addEventListener('input', show);
  show();
}

/** Offer these names. */
export function offerLoras(names) {
  $('lora-names')?.replaceChildren(...names.map((name) => h('option', { value: name })));
}
