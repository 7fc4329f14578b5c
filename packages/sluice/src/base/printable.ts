/** Text of others in messages. */

const named: { readonly [character: string]: string } = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\u001b': '\\e' }

/**
 * Makes text safe for one line of a message or a terminal: control, invisible and direction characters, line ends and halves of surrogate pairs
 * become escapes, so that nothing of it moves the cursor, changes colours, breaks the line or turns its direction.
 *
 * @example printable('a\u001b[2Jb') // 'a\\e[2Jb'
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => named[character] ?? `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}

/**
 * The same of a name that is compared with others, with escapes also for what looks like something else: spaces of other kinds, and marks that join
 * the letter before them into one that has a character of its own.
 *
 * @example distinct('re\u0301f') // 're\\u{301}f'
 */
export function distinct(name: string): string {
  const hides = name === name.normalize('NFC') ? /[^\S \t\r\n]/gu : /[^\S \t\r\n]|\p{M}/gu
  return printable(name.replace(hides, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`))
}
