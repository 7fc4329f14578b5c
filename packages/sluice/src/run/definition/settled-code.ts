/**
 * Whether a file of code has one value for ever: it is made of its own text and of what it imports, and of nothing else.
 *
 * The text is not parsed. A word counts wherever it stands, also in a comment or a text: that costs a second evaluation, never a wrong answer.
 */

/** Globals that answer the same whenever they are asked. All others are refused, those of a future Node too. */
const settledGlobals: ReadonlySet<string> = new Set([
  ...[
    'Object',
    'Array',
    'String',
    'Number',
    'Boolean',
    'BigInt',
    'Map',
    'Set',
    'JSON',
    'RegExp',
    'Error',
    'TypeError',
    'RangeError',
  ],
  ...[
    'undefined',
    'NaN',
    'Infinity',
    'parseInt',
    'parseFloat',
    'isNaN',
    'isFinite',
    'encodeURIComponent',
    'decodeURIComponent',
  ],
])

/** What leads out of the text without being a global: of modules, of reflection, of the place and the language of the machine. */
const waysOut = [
  ...['require', 'module', 'exports', '__dirname', '__filename', 'jitiImport', 'jitiESMResolve', 'arguments', 'this'],
  ...['constructor', '__proto__', 'prototype', 'stack', 'caller', 'callee', 'localeCompare'],
  ...['toLocaleString', 'toLocaleUpperCase', 'toLocaleLowerCase', 'toLocaleDateString', 'toLocaleTimeString'],
]

const refused = new Set(
  [...Object.getOwnPropertyNames(globalThis), ...waysOut].filter((name) => !settledGlobals.has(name)),
)

const specifier = String.raw`(?:\btype\b)?[\w\s{},*$]*\bfrom\b\s*(['"])([^'"\\\n]*)\1`
const importing = new RegExp(String.raw`\bimport\b\s*(?:(['"])([^'"\\\n]*)\1|${specifier.replace('\\1', '\\3')})`, 'g')
const exporting = new RegExp(String.raw`\bexport\b\s*${specifier}`, 'g')
const declaring = /\bexport\s+(?:default|const|let|function|class|async|enum|interface|abstract)\b/g

/**
 * What a file imports, as it spells it; undefined where its text and those files do not settle its value.
 *
 * @example settledImports("import { pipeline } from 'sluice'") // ['sluice']
 * @example settledImports('export default process.env.NAME') // undefined
 */
export function settledImports(text: string): readonly string[] | undefined {
  // An escape could spell any name.
  if (/\\u/.test(text)) return undefined
  for (const [word] of text.matchAll(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu)) if (refused.has(word)) return undefined
  const imports = [...text.matchAll(importing)].map((match) => (match[2] ?? match[4]) as string)
  const reexports = [...text.matchAll(exporting)].map((match) => match[2] as string)
  // Every `import` and `export` is understood, or the file is not: `import(…)` and `import.meta` are among the others.
  if (imports.length !== count(text, /\bimport\b/g)) return undefined
  if (reexports.length + count(text, declaring) !== count(text, /\bexport\b/g)) return undefined
  return [...imports, ...reexports]
}

function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length
}
