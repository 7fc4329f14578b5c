/** Takes what a procedure returns into a candidate: every call, then keys, checks, earlier rows, and the account of all of it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { turns, workThrough } from '../../base/queue.ts'
import { eachValues, sourceColumns } from '../../definition/columns.ts'
import type { ProcedureSource } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { contentOf } from '../../lake/content.ts'
import type { InputReference, RowAccounting } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { assertBalanced } from '../../quality/accounting.ts'
import { quarantineWriter } from '../../quality/quarantine.ts'
import { assertRowCount, checkAccepted, judgeRows, type RowsOf } from '../../quality/rows/judge.ts'
import { refuseTwice } from '../../quality/rows/keys.ts'
import { type AcceptedFile, acceptedFiles } from '../../quality/rows/scan.ts'
import type { Candidate, TakeContext } from '../source.ts'
import { type CallResult, callText, runCall, type UseConnection } from './call.ts'
import type { ProceduresContext } from './context.ts'
import type { Attempt, Frozen } from './extraction.ts'
import type { KeptCalls } from './kept.ts'
import { type Carried, dropSeen, type MergeInput, supersede } from './merge.ts'
import type { FrozenCall } from './parameters.ts'
import { callContract, openScanner } from './scan.ts'

/** What a take works with. */
interface Taking {
  readonly source: ProcedureSource
  readonly context: ProceduresContext
  readonly take: TakeContext
  readonly frozen: Frozen
  readonly attempt: Attempt
  /** Where several tables of the run take their sets from one call. */
  readonly kept?: KeptCalls
}

/** One call and what came of it. */
interface Called {
  readonly call: FrozenCall
  readonly startedAt: string
  readonly result: CallResult
}

/**
 * Makes the calls of a run and what they come to.
 *
 * @throws Source.*, Connection.*, Quality.RowsUnaccounted
 */
export async function takeCalls(taking: Taking): Promise<Candidate> {
  const { source, context, take } = taking
  const { session } = take
  const quarantine = quarantineWriter(session, take.scratch)
  const contract = callContract(source)
  const rows: RowsOf = { what: source.procedure, of: 'call' }
  const called = await makeCalls(taking, quarantine, openScanner(session, contract, quarantine))
  const read = sum(called.map(({ result }) => result.rows))
  assertRowCount(rows, source.rowCount, read, context.previousRows)
  const written = called.flatMap(({ result }) => result.files)
  const unique = await refuseTwice(written, {
    ...{ session, keys: contract.keys, quarantine, source: source.procedure },
    folder: join(take.scratch, 'unique'),
  })
  const refused = await quarantine.finish()
  const checks = judgeRows(rows, contract, source.quarantine, quarantine.counts(), read)
  const fields = sourceColumns(source)
  const names = fields.map(({ name }) => name)
  const relation = await session.from(relationOf({ fields, files: acceptedFiles(unique, names) }))
  const over = { relation, related: {}, now: context.clock.now() }
  const tableChecks = await checkAccepted(session, rows, contract, over)
  const { files, carried, dropped } = await besideEarlier(unique, taking)
  const accounting: RowAccounting = {
    read,
    accepted: sum(files.map(({ rows }) => rows)),
    quarantined: quarantine.counts().rows,
    dropped,
    ...(carried === undefined ? {} : { carried: (take.current?.rows ?? 0) - carried.superseded }),
  }
  assertBalanced(source.procedure, accounting, accounting.accepted)
  return {
    fields,
    files: await withContent(acceptedFiles([...(carried?.rewritten ?? []), ...files], names), names, session),
    ...(carried === undefined ? {} : { kept: carried.kept }),
    quarantine: refused === undefined ? [] : [refused],
    inputs: called.map((one) => reference(source, one)),
    accounting,
    checks: [...checks, ...tableChecks],
    warnings: called.length === 0 ? [noCalls(source)] : [...new Set(called.flatMap(({ result }) => result.warnings))],
    ...(taking.frozen.window === undefined ? {} : { watermark: taking.frozen.window.watermark }),
  }
}

const noCalls = (source: ProcedureSource): string =>
  `${source.procedure} was not called: ${eachValues(source)
    .map(({ table, column }) => `${table}.${column}`)
    .join(', ')} has no value`

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)

/**
 * Makes the calls side by side, as many as the pool has connections; what they return goes into the session in turn. The first failure ends
 * the others, and is waited for: nothing may run in a session that is closed next.
 */
async function makeCalls(
  { source, context, take, frozen, attempt, kept }: Taking,
  quarantine: ReturnType<typeof quarantineWriter>,
  scanner: ReturnType<typeof openScanner>,
): Promise<readonly Called[]> {
  const called: Called[] = []
  const inTurn = turns()
  let [rows, bytes] = [0, 0]
  const makeCall = async (call: FrozenCall, at: number, signal: AbortSignal): Promise<void> => {
    const startedAt = context.clock.now()
    const use: UseConnection = (work) => context.pool.use(signal, work)
    const result = await runCall(use, call, join(take.scratch, `call-${at}`), {
      source,
      session: take.session,
      inTurn,
      scanner,
      quarantine,
      otherSets: context.otherSets,
      ...(kept === undefined ? {} : { kept }),
      signal,
      onRows: (more) => {
        rows += more
        attempt.arrived(rows)
        take.progress({ rows, bytes, input: callText(source, call) })
      },
      onMessage: (message) => attempt.message(message),
    })
    bytes += result.bytes
    attempt.called(result, bytes)
    called[at] = { call, startedAt: result.kept?.since ?? startedAt.toISOString(), result }
  }
  const calls = [...frozen.calls.entries()]
  await workThrough(calls, { workers: context.pool.max, signal: take.signal }, async (left, signal) => {
    for (const [at, call] of left) await makeCall(call, at, signal)
  })
  return called
}

/** Why rows of an overlapping window are dropped. */
const seenBefore = 'seen before'

/** New rows beside those that the table holds, by the source's mode. */
async function besideEarlier(
  files: readonly WrittenFile[],
  { source, context, take }: Taking,
): Promise<{
  readonly files: readonly WrittenFile[]
  readonly carried?: Carried
  readonly dropped: RowAccounting['dropped']
}> {
  const { current } = take
  const { key, mode } = source
  if (mode === 'replace' || key === undefined || current === undefined || current.files.length === 0)
    return { files, ...(mode === 'merge' ? { carried: { kept: [], rewritten: [], superseded: 0 } } : {}), dropped: {} }
  const folder = join(take.scratch, 'merged')
  mkdirSync(folder, { recursive: true })
  await context.lake.verify(current)
  const input: MergeInput = {
    session: take.session,
    lake: context.lake,
    current,
    columns: sourceColumns(source),
    key,
    folder,
  }
  const fresh = await dropSeen(files, input)
  const dropped = fresh.seen === 0 ? {} : { [seenBefore]: fresh.seen }
  if (mode === 'append') return { files: fresh.files, dropped }
  return { files: fresh.files, carried: await supersede(fresh.files, input), dropped }
}

async function withContent(
  files: readonly AcceptedFile[],
  columns: readonly string[],
  session: Session,
): Promise<Candidate['files']> {
  const paths = files.map(({ localFile }) => localFile)
  const contents = await contentOf(session, paths, columns)
  return files.map((file, place) => ({ ...file, content: contents[place] as string }))
}

function reference({ connection, procedure }: ProcedureSource, { call, startedAt, result }: Called): InputReference {
  return {
    kind: 'call',
    connection,
    procedure,
    parameters: Object.fromEntries(call.parameters.map(({ name, value }) => [name, value])),
    startedAt,
    rows: result.rows,
  }
}
