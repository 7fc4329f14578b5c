/** `sluice cdc` */
import { sluiceError } from '../../base/errors.ts'
import { capturedLogs } from '../../definition/cdc/cdc.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import type { OpenProject } from '../../run/api.ts'
import type { CdcControl, CdcStatus } from '../../run/cdc/api.ts'
import type { Context, Run } from '../command.ts'
import { tableText } from '../render/table.ts'
import { bytes, count, duration, plural, visible, visibleLines } from '../render/text.ts'

/** A log of the project, and what is asked of it. */
interface Asked {
  readonly control: CdcControl
  /** The log's table. */
  readonly log: string
  readonly table: string | undefined
}

const actions = {
  setup: (context: Context, asked: Asked) => change(context, asked, 'setup'),
  drop: (context: Context, asked: Asked) => change(context, asked, 'drop'),
  resnapshot,
  accept,
} as const

export const run: Run<'cdc'> = async (context, { action = 'status', source, table }) => {
  await using project = await context.open()
  if (action === 'status') return status(context, project, named(project, source))
  const chosen = Object.keys(actions).find((known) => known === action) as keyof typeof actions | undefined
  if (chosen === undefined) throw unknown('<action>', action, ['status', ...Object.keys(actions)])
  const logs = named(project, source)
  const [log, other] = logs
  if (log === undefined || other !== undefined)
    throw sluiceError('Cli.MissingArgument', { argument: 'source', command: `cdc ${action}` })
  const captured = capturedBy(project, log)
  if (table !== undefined && !captured.includes(table)) throw unknown('<table>', table, captured)
  return actions[chosen](context, { control: await project.cdc(log), log, table })
}

function unknown(option: string, value: string, known: readonly string[]): Error {
  const suggestion = suggest(value, known)
  const params = { option, value, expected: `one of ${known.join(', ')}` }
  return sluiceError('Cli.BadValue', params, suggestion === undefined ? {} : { suggestion })
}

/** The logs that a name means: all of them without one. */
function named({ definition }: OpenProject, name: string | undefined): readonly string[] {
  const logs = capturedLogs(definition).map(({ log }) => log)
  if (logs.length === 0)
    throw sluiceError('Cli.UnknownName', { what: 'source of changes', name: name ?? '', known: [] })
  if (name === undefined) return logs
  const found = logs.find((log) => log === name || log.slice(log.indexOf('.') + 1) === name)
  if (found !== undefined) return [found]
  const meant = suggest(name, logs)
  const params = { what: 'source of changes', name, known: logs }
  throw sluiceError('Cli.UnknownName', params, meant === undefined ? {} : { suggestion: meant })
}

function capturedBy({ definition }: OpenProject, log: string): readonly string[] {
  return capturedLogs(definition).find((one) => one.log === log)?.source.tables ?? []
}

async function status({ terminal, signal }: Context, project: OpenProject, logs: readonly string[]): Promise<number> {
  const found: CdcStatus[] = []
  for (const log of logs) found.push(await (await project.cdc(log)).status({ signal }))
  const failing = found.find(needsSomebody)
  if (terminal.json) await terminal.out.json(found)
  else for (const one of found) await terminal.out.write(`${statusLines(one, terminal.out).join('\n')}\n`)
  if (failing !== undefined) await terminal.next(nextAfter(failing))
  return failing === undefined ? 0 : 1
}

/** Whether nothing will mend by itself what is wrong with a log, or its server runs out of room. */
function needsSomebody({ slotStatus, findings, tables, lag }: CdcStatus): boolean {
  return (
    slotStatus === 'lost' ||
    lag?.level === 'alert' ||
    findings.some(({ status: found }) => found === 'fail') ||
    tables.some((one) => one.status === 'paused' || isMissing(one))
  )
}

function nextAfter({ table, slotStatus, findings, tables }: CdcStatus): string {
  // A comparison with a publication that is not there would be refused.
  if (tables.some(isMissing)) return `sluice cdc setup ${table}`
  if (slotStatus === 'lost' || tables.some((one) => one.status === 'stale')) return `sluice cdc resnapshot ${table}`
  if (tables.some((one) => one.status === 'paused')) return `sluice cdc accept ${table}`
  return findings.some(({ status: found }) => found === 'fail') ? `sluice cdc setup ${table}` : 'sluice run'
}

const isMissing = ({ status: state }: CdcStatus['tables'][number]): boolean => state === 'missing'

const marks = { ok: ['green', '✔'], warn: ['yellow', '!'], fail: ['red', '✖'] } as const
const levels = { ok: 'green', warn: 'yellow', alert: 'red' } as const

function statusLines(one: CdcStatus, channel: Context['terminal']['out']): readonly string[] {
  const { paint } = channel
  const { lag } = one
  const seconds = lag?.seconds === undefined ? '' : `, ${duration(lag.seconds * 1000)}`
  const behind =
    lag === undefined
      ? 'nothing was taken yet'
      : `${paint(levels[lag.level], `${bytes(lag.bytes)}${seconds} behind`)}; the server keeps ${bytes(lag.keptBytes)}`
  const position = one.position === undefined ? '' : `  at ${visible(one.position)}`
  const rows = one.tables.map(({ table, status: state, detail }) => ({ table, status: state, detail: detail ?? '' }))
  return [
    `${paint('bold', visible(one.table))}  ${visible(one.connection)}, slot ${visible(one.slot)} (${one.slotStatus})${position}`,
    `  ${behind}`,
    ...one.findings.flatMap(({ name, status: state, detail, fix }) => {
      const [look, mark] = marks[state]
      const line = `  ${paint(look, mark)} ${visible(name)}  ${visible(detail)}`
      return fix === undefined || state === 'ok' ? [line] : [line, `    ${visible(fix)}`]
    }),
    ...tableText([{ key: 'table' }, { key: 'status' }, { key: 'detail' }], rows, channel)
      .trimEnd()
      .split('\n'),
  ]
}

/** Statements are data: `sluice cdc setup shop > setup.sql`. They are run where somebody says yes. */
async function change(context: Context, { control, log }: Asked, kind: 'setup' | 'drop'): Promise<number> {
  const { terminal, signal, globals } = context
  const planned = await control[kind]({ apply: false, signal })
  const nothing = planned.statements.length === 0
  const allowed = planned.statements.filter((one) => one.allowed)
  const forbidden = planned.statements.filter(({ allowed }) => !allowed)
  if (!terminal.json) {
    for (const { why, sql } of planned.statements)
      await terminal.out.line(`-- ${visible(why)}\n${visibleLines(sql.replace(/;?\s*$/, ';'))}`)
    if (nothing)
      await terminal.note(kind === 'setup' ? 'Nothing is missing on the server.' : 'There is nothing to drop.')
    if (forbidden.length > 0)
      await terminal.note(
        `${plural(forbidden.length, 'statement')} of these must be run by an administrator of the server.`,
      )
  }
  const question = `Run ${plural(allowed.length, 'statement')} on the server?`
  const asks = globals.yes || (terminal.interactive && !terminal.json)
  const agreed = allowed.length > 0 && asks && (await context.confirm(question))
  const result = agreed ? await control[kind]({ apply: true, signal }) : planned
  if (terminal.json) await terminal.out.json(result)
  else if (agreed) await terminal.note(`${plural(allowed.length, 'statement')} run.`)
  if (kind === 'setup' && (nothing || result.done)) await terminal.next('sluice run')
  else if (kind === 'setup' && !agreed && allowed.length > 0) await terminal.next(`sluice cdc setup ${log} --yes`)
  return globals.yes && forbidden.length > 0 ? 3 : 0
}

async function resnapshot(context: Context, { control, log, table }: Asked): Promise<number> {
  const { terminal, signal } = context
  const what = table === undefined ? `all tables of ${log}` : table
  if (!(await context.confirm(`Read ${what} from the server, and add what was missed to the log?`))) {
    await terminal.note('Nothing was changed.')
    return 0
  }
  let told = 0
  const found = await control.resnapshot({
    ...(table === undefined ? {} : { tables: [table] }),
    onProgress: ({ table: current, rows }) => {
      if (rows - told < 1_000_000 && rows >= told) return
      told = rows
      void terminal.note(`${visible(current)}  ${count(rows)} rows compared`)
    },
    signal,
  })
  if (terminal.json) await terminal.out.json(found)
  else {
    const number = { align: 'right' } as const
    const columns = [{ key: 'table' }, ...['rows', 'inserted', 'updated', 'deleted'].map((key) => ({ key, ...number }))]
    const rows = found.tables.map((one) => ({
      ...{ table: one.table, rows: count(one.rows), inserted: count(one.inserted) },
      ...{ updated: count(one.updated), deleted: count(one.deleted) },
    }))
    await terminal.out.write(`${tableText(columns, rows, terminal.out)}`)
    await terminal.note(`${log} is at version ${found.version}, and goes on from ${visible(found.position)}.`)
  }
  await terminal.next('sluice run')
  return 0
}

async function accept(context: Context, { control, log, table }: Asked): Promise<number> {
  const { terminal, signal } = context
  const which = table === undefined ? {} : { table }
  const pending = await control.accept({ ...which, apply: false, signal })
  if (!terminal.json)
    for (const one of pending)
      for (const text of one.changes) await terminal.out.line(`${visible(one.table)}  ${visible(text)}`)
  if (pending.length === 0) {
    if (terminal.json) await terminal.out.json(pending)
    await terminal.note(`Nothing of ${log} waits to be accepted.`)
    return 0
  }
  if (!(await context.confirm('Take these changes as they are, from the same position on?'))) {
    await terminal.note('Nothing was changed.')
    return 0
  }
  const accepted = await control.accept({ ...which, apply: true, signal })
  if (terminal.json) await terminal.out.json(accepted)
  await terminal.next('sluice run')
  return 0
}
