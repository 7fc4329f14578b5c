/** Parameters of a run where models get them: as typed variables of the session, and as the second argument of code. */
import { duckDbType } from '../definition/columns.ts'
import type { BoundParameter } from '../definition/types.ts'
import type { Session } from '../engines/engine.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'

/**
 * Sets the variables that `getvariable('<name>')` reads. A value is a text that is cast, so it can be nothing but a value.
 *
 * @example await setParameters(session, [{ name: 'since', type: 'date', value: '2026-02-01' }])
 */
export async function setParameters(session: Session, parameters: readonly BoundParameter[] = []): Promise<void> {
  for (const { name, type, value } of parameters) {
    const text = value === null ? 'NULL' : quoteText(value)
    await session.run(`SET VARIABLE ${quoteIdentifier(name)} = CAST(${text} AS ${duckDbType(type)})`)
  }
}

/**
 * What a code model gets: numbers that JavaScript holds exactly and booleans as such, all else as text.
 *
 * @example argumentsOf([{ name: 'top', type: 'integer', value: '10' }]) // { top: 10 }
 */
export function argumentsOf(parameters: readonly BoundParameter[] = []): {
  readonly [name: string]: string | number | boolean | null
} {
  return Object.fromEntries(parameters.map((parameter) => [parameter.name, argumentOf(parameter)]))
}

function argumentOf({ type, value }: BoundParameter): string | number | boolean | null {
  if (value === null) return null
  if (type === 'boolean') return value === 'true'
  return type === 'integer' || type === 'float' ? Number(value) : value
}
