// Writes a WebM clip as HLS into a folder: clip.m3u8, init.mp4 and segment.m4s. It does not encode
// the clip again, so the browser must play VP9 in MP4.
//
//     node as_hls.mjs CLIP FOLDER

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import {
  ALL_FORMATS,
  BufferTarget,
  Conversion,
  FilePathSource,
  Input,
  Mp4OutputFormat,
  Output,
} from 'mediabunny';

const [clip, folder] = argv.slice(2);
const input = new Input({ formats: ALL_FORMATS, source: new FilePathSource(clip) });
const target = new BufferTarget();
const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'fragmented' }), target });
const conversion = await Conversion.init({ input, output });
await conversion.execute();
const bytes = Buffer.from(/** @type {ArrayBuffer} */ (target.buffer));
// The first fragment begins with its box `moof`, after four bytes of length.
const first = bytes.indexOf('moof') - 4;
const seconds = await input.computeDuration();
writeFileSync(join(folder, 'init.mp4'), bytes.subarray(0, first));
writeFileSync(join(folder, 'segment.m4s'), bytes.subarray(first));
writeFileSync(
  join(folder, 'clip.m3u8'),
  [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    '#EXT-X-PLAYLIST-TYPE:VOD',
    `#EXT-X-TARGETDURATION:${Math.ceil(seconds)}`,
    '#EXT-X-MAP:URI="init.mp4"',
    `#EXTINF:${seconds},`,
    'segment.m4s',
    '#EXT-X-ENDLIST',
    '',
  ].join('\n'),
);
