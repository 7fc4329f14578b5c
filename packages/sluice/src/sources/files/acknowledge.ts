/**
 * After the commit: what was taken goes to the archive, what was refused to the error folder with a report. Every step can be repeated.
 */

import { printable } from '../../base/printable.ts'
import type { FilesSource } from '../../definition/types.ts'
import type { Move } from '../../inbox/inbox.ts'
import type { DiscoveredInput, RefusedInput } from '../source.ts'
import { type FilesContext, identityOf, isIdentityOf } from './discover.ts'

/** Moves what was taken or known to the archive, and what was refused to the error folder. */
export async function acknowledgeFiles(
  table: string,
  source: FilesSource,
  context: FilesContext,
  taken: readonly DiscoveredInput[],
  refused: readonly RefusedInput[],
): Promise<void> {
  const { archive } = source
  if (archive !== false) {
    await context.inbox.settle(await movesOf(taken, context, { to: 'archive', folder: archive }))
  }
  const reports = new Map(refused.map((one) => [one.input, reportsOf(table, one, context)]))
  const inputs = refused.map(({ input }) => input)
  const moves = await movesOf(inputs, context, { to: 'error', folder: source.error }, reports)
  await context.inbox.settle(moves)
}

/** Of files that are still the ones that were discovered; one that came in their place stays for the next discovery. */
async function movesOf(
  inputs: readonly DiscoveredInput[],
  context: FilesContext,
  where: Pick<Move, 'to' | 'folder'>,
  reports?: ReadonlyMap<DiscoveredInput, NonNullable<Move['reports']>>,
): Promise<readonly Move[]> {
  const moves: Move[] = []
  for (const input of inputs) {
    const delivery = await context.inbox.stat(input.path)
    if (delivery === undefined || delivery.bytes !== input.bytes) continue
    const sha256 = await identityOf(delivery, context)
    if (sha256 === undefined || !isIdentityOf(input, sha256)) continue
    const own = reports?.get(input)
    moves.push({ delivery, sha256, ...where, ...(own === undefined ? {} : { reports: own }) })
  }
  return moves
}

/** The report: for machines as JSON, for people as text. */
function reportsOf(
  table: string,
  { input, error, accounting }: RefusedInput,
  context: FilesContext,
): NonNullable<Move['reports']> {
  const report = {
    table,
    file: input.path,
    bytes: input.bytes,
    sha256: input.id,
    refusedAt: context.clock.now().toISOString(),
    error,
    ...(accounting === undefined ? {} : { accounting }),
  }
  const text = [
    `The file "${printable(input.path)}" was refused for the table ${table} at ${report.refusedAt}.`,
    '',
    `${error.code} ${error.name}`,
    error.message,
    ...(error.hint === undefined ? [] : ['', `What to do: ${error.hint}`]),
    '',
    'Nothing of it was published: the table is as it was before.',
    '',
  ].join('\n')
  return [
    { ending: '.report.json', text: `${JSON.stringify(report, undefined, 2)}\n` },
    { ending: '.report.txt', text },
  ]
}
