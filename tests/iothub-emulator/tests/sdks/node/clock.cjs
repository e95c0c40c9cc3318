// The emulator's clock, where the test lets it stand still.
'use strict';

/** Lets so many seconds pass on it, by the admin API. */
async function advance(seconds) {
  const body = JSON.stringify({ advanceMs: seconds * 1000 });
  const { status } = await fetch(`http://127.0.0.1:${process.env.ADMIN_PORT}/clock`, { method: 'POST', body });
  if (status !== 200) throw new Error(`the clock was not moved: ${status}`);
}

module.exports = { advance };
