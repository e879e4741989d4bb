// A snapshot: what Python's start wrote into the memory of Pyodide, so that it can be written there again.
//
// Every word that it changed, and none else: what a browser has put there by itself, such as where
// it does calls in its own way, stays. In words of 32 bits, little-endian: a checksum of all that
// follows; how many pages were changed, and how many words of JSON there are; the JSON that Pyodide
// wants back, with its version, padded with spaces; the pages' numbers; for each a bit for each of its words, set where
// it was changed; and the pages, 0 where not.

const PAGE = 1024;
const BITS = 32;
const MASK = PAGE / BITS;
const HEADER = 3;

/**
 * @param {Uint8Array} before the memory of a Pyodide that has run nothing yet
 * @param {Uint8Array} after
 * @param {object} config
 * @returns {Uint8Array}
 */
export function pack(before, after, config) {
  const [old, now] = [before, after].map(inWords);
  const numbers = [];
  const masks = [];
  const pages = [];
  for (let page = 0; page < now.length / PAGE; page += 1) {
    const mask = new Uint32Array(MASK);
    const changed = new Uint32Array(PAGE);
    for (let word = 0; word < PAGE; word += 1) {
      const at = page * PAGE + word;
      if (now[at] === old[at]) continue;
      mask[word >>> 5] |= 1 << (word % BITS);
      changed[word] = now[at];
    }
    if (!mask.some(Boolean)) continue;
    numbers.push(page);
    masks.push(...mask);
    pages.push(changed);
  }
  const text = new TextEncoder().encode(JSON.stringify(config));
  const json = new Uint8Array(Math.ceil(text.length / 4) * 4).fill(0x20);
  json.set(text);
  const start = HEADER + json.length / 4 + numbers.length + masks.length;
  const words = new Uint32Array(start + pages.length * PAGE);
  words.set([0, numbers.length, json.length / 4, ...inWords(json), ...numbers, ...masks]);
  pages.forEach((page, n) => words.set(page, start + n * PAGE));
  words[0] = checksum(words);
  return new Uint8Array(words.buffer);
}

/**
 * Reads a snapshot. Throws when it is damaged.
 *
 * @param {ArrayBuffer} packed
 * @returns {{config: any, restore: (memory: Uint8Array) => void}}
 */
export function unpack(packed) {
  const words = new Uint32Array(packed);
  if (words[0] !== checksum(words)) throw new Error('this snapshot is damaged');
  let at = HEADER;
  const next = (/** @type {number} */ length) => words.subarray(at, (at += length));
  const [, count, length] = words;
  const json = next(length);
  const numbers = next(count);
  const masks = next(count * MASK);
  const pages = next(count * PAGE);
  return {
    config: JSON.parse(
      new TextDecoder().decode(new Uint8Array(packed, json.byteOffset, json.byteLength)),
    ),
    restore(memory) {
      const now = inWords(memory);
      numbers.forEach((number, n) => {
        if ((number + 1) * PAGE > now.length)
          throw new RangeError('this snapshot is of a larger memory');
        for (let word = 0; word < PAGE; word += 1) {
          if ((masks[n * MASK + (word >>> 5)] >>> (word % BITS)) & 1)
            now[number * PAGE + word] = pages[n * PAGE + word];
        }
      });
    },
  };
}

/** FNV-1a, a word at a time: finds what a disk or a cache did, not what an enemy would. */
function checksum(/** @type {Uint32Array} */ words) {
  let sum = 0x811c9dc5;
  for (let n = 1; n < words.length; n += 1) sum = Math.imul(sum ^ words[n], 0x01000193);
  return sum >>> 0;
}

/** @param {Uint8Array} bytes */
function inWords(bytes) {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}
