// Bundles a module and all that it imports into one small classic script, which leaves no names of its
// own on the page.
//
//   node bundle.mjs ENTRY OUT

import { build } from 'esbuild';

const [entry, outfile] = process.argv.slice(2);
await build({
  entryPoints: [entry],
  outfile,
  // It may take the place of its own source.
  allowOverwrite: true,
  bundle: true,
  minify: true,
  format: 'iife',
  // The browsers that the page itself needs.
  target: 'es2022',
  logLevel: 'warning',
});
