/** Crawls a connection: asks the server what there is to call, or calls one procedure to see its columns, and proposes contracts. */

import { isSluiceError, sluiceError } from '../base/errors.ts'
import type { Connection, ProcedureDescription, ResultColumn } from '../connections/connection.ts'
import { suggest } from '../definition/problems/suggest.ts'
import { projectIndex } from '../definition/project-index.ts'
import { type ExistingSource, proposeProcedures, type SeenProcedure } from '../sources/procedures/crawl.ts'
import { type GivenValues, outputsOf, proceduresText } from '../sources/procedures/crawl-text.ts'
import type { ConnectionProposal, CrawlConnectionOptions } from './api.ts'
import type { ProjectContext } from './context.ts'

/** How long a call may go on after its first columns; what comes later is not seen. */
const callMs = 60_000

/**
 * Proposes contracts for what a connection's login may call; no version is made, and no row is kept.
 *
 * @example (await crawlConnection(context, 'erp', { procedure: 'dbo.usp_sales', call: true })).definition
 * @throws Connection.NoProcedure where the server shows no procedure of that name, Cli.BadValue for a parameter that it does not have
 */
export async function crawlConnection(
  context: ProjectContext,
  name: string,
  { procedure, call = false, parameters = {}, signal = new AbortController().signal }: CrawlConnectionOptions = {},
): Promise<ConnectionProposal> {
  await using connection = await (await context.connections()).open(name, signal)
  const described = await connection.describe(procedure)
  if (procedure !== undefined && described.length === 0) throw await unknown(connection, name, procedure)
  const seen =
    procedure !== undefined && call
      ? [await seenInCall(connection, procedure, described, parameters, signal)]
      : described.map(seenByDescription)
  const proposals = proposeProcedures(seen, existingSources(context, name))
  return {
    connection: name,
    server: connection.server,
    definition: proceduresText(name, proposals, parameters),
    procedures: proposals.map(({ sets, ...proposal }) => ({
      ...proposal,
      sets: sets.map(({ diff, ...set }) => ({
        ...set,
        diff: diff.map(({ column, kind, class: classed, declared, arrived }) => ({
          ...{ column, change: kind, class: classed, from: declared, to: arrived },
        })),
      })),
    })),
  }
}

async function unknown(connection: Connection, name: string, procedure: string): Promise<Error> {
  const known = (await connection.describe()).map((one) => one.procedure)
  const meant = suggest(procedure, known)
  const why = 'the catalog shows none to this login'
  const params = { connection: name, procedure, why }
  return sluiceError('Connection.NoProcedure', params, meant === undefined ? {} : { suggestion: meant })
}

function seenByDescription({ procedure, parameters, columns, note }: ProcedureDescription): SeenProcedure {
  return {
    procedure,
    parameters,
    sets: columns === undefined ? [] : [{ set: 1, columns }],
    ...(note === undefined ? {} : { note }),
  }
}

/** Calls, refuses every row, and keeps the columns of each set. */
async function seenInCall(
  connection: Connection,
  procedure: string,
  described: readonly ProcedureDescription[],
  given: GivenValues,
  signal: AbortSignal,
): Promise<SeenProcedure> {
  const known = bestOverload(described, given)
  for (const name of Object.keys(given)) {
    const names = known.parameters.map((parameter) => parameter.name)
    if (names.includes(name)) continue
    const meant = suggest(name, names)
    const expected = names.length === 0 ? 'it has no parameters' : `its parameters are ${names.join(', ')}`
    const params = { option: '--parameter', value: name, expected }
    throw sluiceError('Cli.BadValue', params, meant === undefined ? {} : { suggestion: meant })
  }
  const sets: { readonly set: number; readonly columns: readonly ResultColumn[] }[] = []
  const seen = { procedure: known.procedure, parameters: known.parameters, sets }
  const bound = known.parameters.filter(({ name }) => Object.hasOwn(given, name))
  const call = {
    procedure,
    parameters: bound.map(({ name, type }) => ({ name, type, value: given[name] ?? null })),
    output: outputsOf(known.parameters).map(({ name, type }) => ({ name, type })),
    timeoutMs: callMs,
  }
  const sink = {
    columns: (set: number, columns: readonly ResultColumn[]) => {
      sets.push({ set, columns })
      return false
    },
    rows: () => {},
    message: () => {},
  }
  try {
    await connection.call(call, sink, signal)
  } catch (error) {
    if (!isSluiceError(error, 'Connection.Timeout') || sets.length === 0) throw error
    return { ...seen, note: `the call was ended after ${callMs / 1000} seconds: there may be more result sets` }
  }
  return sets.length === 0 ? { ...seen, note: 'the call returned no result set' } : seen
}

/** Of several procedures of one name, the one that has most of the given parameters, and then the fewest others. */
function bestOverload(described: readonly ProcedureDescription[], given: GivenValues): ProcedureDescription {
  const misses = ({ parameters }: ProcedureDescription): number =>
    Object.keys(given).filter((name) => !parameters.some((parameter) => parameter.name === name)).length
  const order = [...described].sort((a, b) => misses(a) - misses(b) || a.parameters.length - b.parameters.length)
  return order[0] as ProcedureDescription
}

function existingSources({ project }: ProjectContext, connection: string): readonly ExistingSource[] {
  return projectIndex(project).sources.flatMap(({ table, source }) =>
    source.kind === 'procedure' && source.connection === connection ? [{ table, source }] : [],
  )
}
