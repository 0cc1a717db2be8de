// Samples of code: made by the server from the form's values, shown by call and language.

import { post } from './api.js';
import { $, copy } from './dom.js';

const PAUSE = 600;

/** Keep the samples true. Returns what to call when values or task have changed. */
export function showCode(slug, values) {
  const chosen = { topic: 'run', language: 'curl', token: '' };
  const topics = [...document.querySelectorAll('[data-topic]')];
  const languages = [...document.querySelectorAll('[data-language]')];
  let timer = 0;

  choose(topics, 'aria-selected', (button) => (chosen.topic = button.dataset.topic));
  choose(languages, 'aria-checked', (button) => (chosen.language = button.dataset.language));
  $('code-copy').addEventListener('click', () => copy(current().textContent, 'Code copied'));

  function current() {
    return document.querySelector(`[data-code="${chosen.topic} ${chosen.language}"]`);
  }

  function choose(buttons, mark, take) {
    for (const button of buttons) {
      button.addEventListener('click', () => pick(button));
      button.addEventListener('keydown', ({ key }) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
        if (!step) return;
        const next = buttons[(buttons.indexOf(button) + step + buttons.length) % buttons.length];
        pick(next);
        next.focus();
      });
    }

    function pick(button) {
      for (const each of buttons) {
        each.setAttribute(mark, String(each === button));
        each.tabIndex = each === button ? 0 : -1;
      }
      take(button);
      for (const block of document.querySelectorAll('[data-code]')) block.hidden = block !== current();
      $('code').setAttribute('aria-labelledby', `tab-${chosen.topic}`);
    }
  }

  async function refresh() {
    try {
      const { samples } = await post(`/models/${slug}/samples`, { values: values(), token: chosen.token });
      for (const [topic, made] of Object.entries(samples)) {
        for (const [language, text] of Object.entries(made)) {
          document.querySelector(`[data-code="${topic} ${language}"] code`).textContent = text;
        }
      }
    } catch {
      // What stands there is still right, only older.
    }
  }

  return (token) => {
    if (token) chosen.token = token;
    clearTimeout(timer);
    timer = setTimeout(refresh, PAUSE);
  };
}
