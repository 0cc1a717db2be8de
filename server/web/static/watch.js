// The project stream: every event of every task once, however often the connection breaks, and how things stand.

import { root } from './api.js';
import { proof, session } from './session.js';

const PAUSES = [500, 1000, 2000, 5000];
const KEEP = 1000;

/**
 * Watch what whoever is signed in may see. `onFrame` gets project_ready, project_task and project_snapshot;
 * `onState(live, refusal)` hears whether the connection holds, and why it is refused. Returns a function that ends it.
 */
export function watch(onFrame, onState) {
  const seqs = new Map(); // how far each task is told, the latest last: the server may tell an event again
  let since = null; // from when on to resume
  let socket = null;
  let over = false;
  let failures = 0;

  async function open() {
    const credentials = session();
    if (over || !credentials) return;
    const url = new URL(`${root}/v1`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    socket = new WebSocket(url);
    socket.onopen = async () => {
      const made = await proof(credentials).catch((error) => refuse(error.message));
      if (!made) return;
      const cursors = Object.fromEntries([...seqs].slice(-KEEP));
      const { 'x-api-key': apikey, 'x-nonce': nonce, 'x-signature': signature } = made;
      socket.send(JSON.stringify({ type: 'project_info', apikey, nonce, signature, since, seqs: cursors }));
    };
    socket.onmessage = ({ data }) => hear(JSON.parse(data));
    socket.onclose = () => {
      if (over) return;
      onState(false);
      setTimeout(open, PAUSES[Math.min(failures++, PAUSES.length - 1)]);
    };
  }

  function hear(frame) {
    if (frame.type === 'error') return refuse(frame.message);
    if (frame.type === 'project_ready') {
      failures = 0;
      onState(true);
    }
    if (frame.type === 'project_snapshot') since = frame.since;
    if (frame.type === 'project_task' && !isNew(frame)) return;
    if (frame.type.startsWith('project_')) onFrame(frame);
  }

  function isNew({ id, seq }) {
    if (seq <= (seqs.get(id) ?? 0)) return false;
    seqs.delete(id); // to the end of the order
    seqs.set(id, seq);
    if (seqs.size > 2 * KEEP) for (const old of [...seqs.keys()].slice(0, KEEP)) seqs.delete(old);
    return true;
  }

  function refuse(message) {
    stop();
    onState(false, message);
  }

  function stop() {
    over = true;
    socket?.close();
  }

  open();
  return stop;
}
