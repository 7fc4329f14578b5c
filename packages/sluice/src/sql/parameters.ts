/** Parameters in a model's SQL: `getvariable('since')`, as DuckDB has them. */
import { type Token, tokenise } from './lexer.ts'

/**
 * The parameter that a call names: undefined where no call of `getvariable` begins at that token, '' where its argument is no plain text.
 *
 * @example parameterAt(tokenise("getvariable('since')").tokens, 0) // 'since'
 */
export function parameterAt(tokens: readonly Token[], at: number): string | undefined {
  const [name, open, argument, close] = tokens.slice(at, at + 4)
  if (name?.kind !== 'word' || name.text !== 'getvariable' || open?.text !== '(') return undefined
  const isPlain = argument?.kind === 'text' && /^'[^'\\]*'$/.test(argument.text) && close?.text === ')'
  // DuckDB finds a variable whatever its case.
  return isPlain ? argument.text.slice(1, -1).toLowerCase() : ''
}

/**
 * The parameters that a model names, sorted, each once.
 *
 * @example parametersOf("SELECT * FROM raw.sales WHERE sold >= getvariable('since')") // ['since']
 */
export function parametersOf(sql: string): readonly string[] {
  const { tokens } = tokenise(sql)
  const found = tokens.flatMap((_, at) => parameterAt(tokens, at) || [])
  return [...new Set(found)].sort()
}
