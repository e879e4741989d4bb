// A new idempotency key: a UUID of version 7, whose first 48 bits are the time (RFC 9562).

/**
 * @param {number} now_ms
 * @param {Uint8Array} chance ten random bytes
 */
export function uuid7(now_ms, chance = crypto.getRandomValues(new Uint8Array(10))) {
  const time = now_ms.toString(16).padStart(12, '0');
  const rest = Uint8Array.from(chance);
  rest[0] = 0x70 | (rest[0] & 0x0f);
  rest[2] = 0x80 | (rest[2] & 0x3f);
  const hex = Array.from(rest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [time.slice(0, 8), time.slice(8), hex.slice(0, 4), hex.slice(4, 8), hex.slice(8)].join(
    '-',
  );
}

/**
 * When this key was made.
 *
 * @param {string} uuid
 */
export function made_ms(uuid) {
  return parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}
