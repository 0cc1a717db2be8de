// A task over the public websocket: every frame once, in order, through interruptions.

import { root } from './api.js';

const PAUSES = [500, 1000, 2000, 5000];

/**
 * Follow the task of a token: `onFrame` gets each frame, the last one with `terminal`. With `preview`, pictures on their
 * way as well. Returns a function that ends it.
 */
export function follow(token, onFrame, { preview = false, onTrouble = () => {} } = {}) {
  let seq = 0;
  let socket = null;
  let over = false;
  let failures = 0;

  function open() {
    const url = new URL(`${root}/v1`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    socket = new WebSocket(url);
    socket.onopen = () => socket.send(JSON.stringify({ type: 'task_info', tasktoken: token, seq, preview }));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === 'connected') return;
      failures = 0;
      if (frame.seq) seq = frame.seq; // where to go on after an interruption
      if (frame.terminal || frame.type === 'error') stop();
      onFrame(frame);
    };
    socket.onclose = () => {
      if (over) return;
      onTrouble('The connection was lost; trying again …');
      setTimeout(open, PAUSES[Math.min(failures++, PAUSES.length - 1)]);
    };
  }

  function stop() {
    over = true;
    socket?.close();
  }

  open();
  return stop;
}
