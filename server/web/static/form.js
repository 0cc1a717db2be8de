// The form of a model: its values, sliders beside numbers, a seed to roll.

const form = document.getElementById('form');

/** What the form would send: texts, without what is left empty. */
export function values() {
  const found = {};
  for (const [name, value] of new FormData(form)) {
    if (typeof value === 'string' && value.trim() !== '') found[name] = value;
  }
  return found;
}

/** The files chosen, as a form to send; null where there are none. */
export function withFiles() {
  const data = new FormData(form);
  const files = [...data].filter(([, value]) => value instanceof File && value.size);
  if (!files.length) return null;
  for (const name of new Set([...data.keys()])) {
    if (data.get(name) instanceof File && !data.get(name).size) data.delete(name);
    else if (data.get(name) === '') data.delete(name);
  }
  return data;
}

/** Fill the form with a task's or an example's values; what they don't name goes back to its default. */
export function fill(given) {
  form.reset();
  for (const [name, value] of Object.entries(given)) {
    const field = form.elements.namedItem(name);
    if (field && field.type !== 'file' && value !== null && typeof value !== 'object') field.value = String(value);
  }
  mirror();
  form.dispatchEvent(new Event('input', { bubbles: true }));
}

/** Let every slider show its number. */
function mirror() {
  for (const slider of form.querySelectorAll('[data-of]')) slider.value = form.elements.namedItem(slider.dataset.of).value;
}

form.addEventListener('input', ({ target }) => {
  if (target.dataset?.of) form.elements.namedItem(target.dataset.of).value = target.value;
  else if (target.type === 'number') mirror();
});

// A reset's values are there only after its event.
form.addEventListener('reset', () => setTimeout(() => {
  mirror();
  form.dispatchEvent(new Event('input', { bubbles: true }));
}));

for (const dice of form.querySelectorAll('[data-dice]')) {
  dice.addEventListener('click', () => {
    const field = form.elements.namedItem(dice.dataset.dice);
    field.value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
    field.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

// What is wrong must be seen to be mended.
form.addEventListener('invalid', ({ target }) => target.closest('details')?.setAttribute('open', ''), true);
