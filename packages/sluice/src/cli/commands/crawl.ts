/** `sluice crawl` */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import type { ConnectionProposal, CrawlProposal } from '../../run/api.ts'
import type { Context, Run } from '../command.ts'
import { tableText } from '../render/table.ts'
import { bytes, plural, visible, visibleLines } from '../render/text.ts'

export const run: Run<'crawl'> = async (context, { what, procedure, call, parameter }) => {
  const { terminal } = context
  await using project = await context.open()
  const connections = Object.keys(project.definition.config.connections)
  if (connections.includes(what)) {
    if (call && procedure === undefined)
      throw sluiceError('Cli.MissingArgument', { argument: 'procedure', command: 'crawl --call' })
    if (existsSync(resolve(project.root, what)))
      await terminal.note(
        `"${visible(what)}" is a connection and a file; this is the connection, ./${visible(what)} is the file.`,
      )
    const options = { ...(procedure === undefined ? {} : { procedure }), call, parameters: parameter }
    const proposal = await project.crawlConnection(what, { ...options, signal: context.signal })
    if (terminal.json) await terminal.out.json(proposal)
    else await showConnection(context, proposal)
    return 0
  }
  const isName = /^\w+$/.test(what) && connections.length > 0 && !existsSync(resolve(project.root, what))
  if (isName || procedure !== undefined || call || Object.keys(parameter).length > 0)
    throw noConnection(what, connections)
  const proposal = await project.crawl(what)
  if (terminal.json) await terminal.out.json(proposal)
  else await showFiles(context, proposal)
  return 0
}

function noConnection(value: string, known: readonly string[]): Error {
  const meant = suggest(value, known)
  const expected = known.length === 0 ? 'the project has no connections' : `the connections are ${known.join(', ')}`
  return sluiceError(
    'Cli.BadValue',
    { option: '<what>', value, expected },
    meant === undefined ? {} : { suggestion: meant },
  )
}

async function showFiles({ terminal }: Context, proposal: CrawlProposal): Promise<void> {
  for (const file of proposal.files) {
    await terminal.note(`${visible(file.path)}  ${bytes(file.bytes)}  ${plural(file.rows, 'row')}`)
  }
  const rows = proposal.columns.map((c) => ({
    column: c.name,
    type: c.type,
    nullable: c.nullable ? 'yes' : 'no',
    note: c.note ?? '',
  }))
  const columns = [{ key: 'column' }, { key: 'type' }, { key: 'nullable' }, { key: 'note' }]
  if (!terminal.quiet) await terminal.err.write(`\n${tableText(columns, rows, terminal.err)}\n`)
  await showDifferences({ terminal }, proposal)
  // The definition alone is data: `sluice crawl 'inbox/*.csv' > source.ts`.
  await terminal.out.line(visibleLines(proposal.definition))
  await terminal.next('review it, put it into pipeline.ts, then  sluice check')
}

async function showConnection({ terminal }: Context, proposal: ConnectionProposal): Promise<void> {
  const { connection, server, procedures } = proposal
  await terminal.note(
    `${visible(connection)}  ${visible(server)}  ${plural(procedures.length, 'procedure')} that may be called`,
  )
  const columns = [{ key: 'column' }, { key: 'type' }, { key: 'server' }, { key: 'nullable' }, { key: 'note' }]
  for (const { procedure, sets, note } of procedures) {
    const isAlone = sets.length === 1
    if (note !== undefined || sets.length === 0)
      await terminal.note(`\n${visible(procedure)}: ${visible(note ?? 'no result set')}`)
    for (const set of sets) {
      await terminal.note(`\n${visible(procedure)}${isAlone ? '' : `, result set ${set.set}`}`)
      const rows = set.columns.map(({ name, type, serverType, nullable, note: more }) => ({
        ...{ column: name, type, server: serverType, note: more ?? '' },
        nullable: nullable === undefined ? '?' : nullable ? 'yes' : 'no',
      }))
      if (!terminal.quiet) await terminal.err.write(`${tableText(columns, rows, terminal.err)}\n`)
      await showDifferences({ terminal }, set)
    }
  }
  const silent = procedures.find(({ sets }) => sets.length === 0)
  await terminal.out.line(visibleLines(proposal.definition))
  await terminal.next(
    silent === undefined
      ? "review it, put it into a pipeline's sources, then  sluice check"
      : `sluice crawl ${visible(connection)} ${visible(silent.procedure)} --call`,
  )
}

async function showDifferences(
  { terminal }: Pick<Context, 'terminal'>,
  { against, diff }: Pick<CrawlProposal, 'diff' | 'against'>,
): Promise<void> {
  if (against === undefined) return
  const many = diff.length === 0 ? 'no difference' : plural(diff.length, 'difference')
  await terminal.note(`Against ${visible(against)}: ${many}`)
  const rows = diff.map(({ class: classed, column, change, from, to }) => ({
    ...{ class: classed, column, change, from: from ?? '', to: to ?? '' },
  }))
  const titles = [{ key: 'class' }, { key: 'column' }, { key: 'change' }, { key: 'from' }, { key: 'to' }]
  if (rows.length > 0 && !terminal.quiet) await terminal.err.write(`${tableText(titles, rows, terminal.err)}\n`)
}
