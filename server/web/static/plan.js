// The dry run: what the form would come to, told while it is filled in.

import { call } from './api.js';
import { $, duration, h } from './dom.js';
import { offerLoras } from './loras.js';
import { session } from './session.js';

const PAUSE = 350;

/** Keep #plan and the token counts true to the form. Returns what to call when the form has changed. */
export function foresee(slug, values) {
  let timer = 0;
  let asking = null;

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    const asked = values();
    if (!session() || !asked.prompt) return show(null, session() ? '' : 'Sign in to see what a run would come to.');
    try {
      show((await call(`Plan/${slug}`, asked, { signal: asking.signal })).plan, '');
    } catch (error) {
      if (error.name !== 'AbortError') show(null, error.message);
    }
  }

  return () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };
}

function show(plan, message) {
  $('plan').replaceChildren(...(plan ? lines(plan) : [h('span', { class: 'muted' }, message)]));
  for (const place of document.querySelectorAll('[data-tokens]')) tokens(place, plan?.prompt?.[place.dataset.tokens]?.tokens);
  if (plan) offerLoras(plan.installedloras);
}

function lines(plan) {
  const found = [];
  if (plan.steps) {
    const steps = plan.refiner ? `${plan.base} base + ${plan.refiner} refiner steps` : `${plan.base} base steps`;
    const pictures = plan.samples > 1 ? ` × ${plan.samples} pictures` : '';
    const time = plan.estimatedseconds ? `, about ${duration(plan.estimatedseconds)}` : '';
    found.push(h('strong', {}, `${steps}${pictures}${time}`));
  }
  if (plan.drawn.width !== plan.delivered.width || plan.drawn.height !== plan.delivered.height) {
    found.push(h('span', { class: 'muted' }, `Drawn at ${size(plan.drawn)}, enlarged to ${size(plan.delivered)}.`));
  }
  for (const lora of plan.loras.filter(({ status }) => status === 'unknown')) {
    found.push(h('span', { class: 'warn' }, `The LoRA ${lora.name} is not installed and will be ignored.`));
  }
  for (const note of plan.notes) found.push(h('span', { class: 'muted' }, note));
  return found;
}

const size = ({ width, height }) => `${width} × ${height}`;

function tokens(place, counts) {
  if (!counts?.length) return place.replaceChildren();
  // Of a negative prompt that is left empty nothing need be said.
  if (counts.length === 1 && counts[0] === 0) return place.replaceChildren();
  place.replaceChildren(...counts.map((count) => h('span', { title: 'Tokens in this chunk, of 75' }, `${count}/75`)));
}
