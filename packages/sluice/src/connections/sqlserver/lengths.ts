/** Declared lengths of parameters: the server would cut a longer value in silence (fault SR-11). */
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { ProcedureCall } from '../connection.ts'
import { catalogRows, isNamed, patternOf } from './catalog.ts'
import type { OpenConnection } from './connect.ts'
import { parameterName, quotedPart, splitName } from './names.ts'

/** By procedure, then by parameter in lower case. */
type Lengths = ReadonlyMap<string, number>

const known = new WeakMap<OpenConnection, Map<string, Lengths>>()

/**
 * Refuses a call with a text or bytes that are longer than its procedure declares; asks the server once for each procedure and connection.
 *
 * Where the server does not tell (a login may see too little), the call is let through.
 *
 * @throws Connection.ValueTooLong
 */
export async function checkLengths(open: OpenConnection, call: ProcedureCall, signal: AbortSignal): Promise<void> {
  const long = call.parameters.filter(({ type, value }) => value !== null && (type === 'text' || type === 'binary'))
  if (long.length === 0) return
  const lengths = await declaredLengths(open, call, signal)
  for (const { name, type, value } of long) {
    const limit = lengths.get(parameterName(name).toLowerCase())
    const length = type === 'binary' ? value!.length / 2 : value!.length
    if (limit !== undefined && length > limit)
      throw sluiceError('Connection.ValueTooLong', { parameter: name, length, limit })
  }
}

async function declaredLengths(open: OpenConnection, call: ProcedureCall, signal: AbortSignal): Promise<Lengths> {
  const procedures = known.get(open) ?? new Map<string, Lengths>()
  known.set(open, procedures)
  const before = procedures.get(call.procedure)
  if (before !== undefined) return before
  const [name = '', schema, database] = [...splitName(call.procedure)].reverse()
  const catalog = `${database === undefined ? '' : `${quotedPart(database)}.sys.`}sp_sproc_columns`
  const lengths = new Map<string, number>()
  try {
    const owner = schema === undefined ? {} : { procedure_owner: patternOf(schema) }
    const rows = await catalogRows(open, catalog, { procedure_name: patternOf(name), ...owner }, signal, call.timeoutMs)
    for (const row of rows) {
      if (!isNamed(row, name, schema)) continue
      const limit = Number(row.get('precision'))
      const isLimited = /^(n?(var)?char|(var)?binary)$/i.test(row.get('type_name') ?? '') && limit > 0 && limit <= 8_000
      if (isLimited) lengths.set((row.get('column_name') ?? '').replace(/^@/, '').toLowerCase(), limit)
    }
  } catch (error) {
    if (!isSluiceError(error) || !open.isUsable) throw error
  }
  procedures.set(call.procedure, lengths)
  return lengths
}
