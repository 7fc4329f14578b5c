/** SQL that makes columns of one row: the transforms of a table. */
import { tokenise } from './lexer.ts'
import { quoteIdentifier } from './quote.ts'

/**
 * A relation with its columns transformed: each expression sees the row as it came; those of new columns come last.
 *
 * @param columns the relation's, in order
 * @example transformSql('rows', ['id', 'email'], { email: 'lower(email)' }) // 'SELECT "id", (lower(email)\n) AS "email" FROM rows'
 */
export function transformSql(
  relation: string,
  columns: readonly string[],
  transforms: { readonly [column: string]: string },
): string {
  const made = Object.keys(transforms).filter((name) => !columns.includes(name))
  const list = [...columns, ...made].map((name) => {
    const quoted = quoteIdentifier(name)
    // A comment at the end of an expression ends with its line.
    return Object.hasOwn(transforms, name) ? `(${transforms[name]}\n) AS ${quoted}` : quoted
  })
  return `SELECT ${list.join(', ')} FROM ${relation}`
}

/**
 * Why an expression is not one over a single row; undefined where it is. Rows that came before or come later must not change what one becomes.
 *
 * @example beyondRow('row_number() OVER ()') // '"over" looks at other rows'
 */
export function beyondRow(expression: string): string | undefined {
  const { tokens, unterminated } = tokenise(expression)
  if (unterminated !== undefined) return `a ${unterminated.what} in it never ends`
  const word = tokens.find(({ kind, text }) => kind === 'word' && ['select', 'over'].includes(text))
  if (word !== undefined) return `"${word.text}" looks at other rows`
  let depth = 0
  for (const { kind, text } of tokens) {
    if (kind !== 'symbol') continue
    if ('([{'.includes(text)) depth++
    if (')]}'.includes(text) && --depth < 0) return `it closes a "${text}" that it did not open`
    if (text === ';' || (text === ',' && depth === 0)) return `it is more than one expression, at "${text}"`
  }
  return depth > 0 ? 'it opens a parenthesis that it does not close' : undefined
}
