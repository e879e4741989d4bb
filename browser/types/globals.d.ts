// What TypeScript cannot find by itself: globals of our classic scripts, and files that only a build has.

// format.js, a classic script, defines these two.
declare var viewsKept: (text: string | null) => number;
declare var viewsFormat: (languages: readonly string[], pageLanguage: string) => ViewsFormat;

// first-paint.js defines it while it waits for numbers that local storage lacks. It resolves when the
// page shows them.
declare var viewsKnown: Promise<void> | undefined;

interface ViewsFormat {
  /** `1,234,567` */
  exact: (views: number) => string;
  /** `1.2M`; exact below 10,000, and where a language has no shorter word. */
  short: (views: number) => string;
  /** `view` or `views` */
  unit: (views: number) => string;
  /** Shows `views` in `element`, and the exact number around it. */
  write: (element: HTMLElement, views: number) => void;
}

// The build puts Pyodide beside the scripts.
declare module '*/pyodide/pyodide.mjs' {
  export * from 'pyodide';
}
declare module '*/pyodide/pyodide.asm.mjs' {
  import type { PyodideConfig } from 'pyodide';
  const createModule: NonNullable<PyodideConfig['createPyodideModule']>;
  export default createModule;
}

// Not every browser has it, so TypeScript does not list it.
interface NavigatorConnection {
  readonly connection?: { readonly saveData: boolean };
}
interface Navigator extends NavigatorConnection {}
interface WorkerNavigator extends NavigatorConnection {}
