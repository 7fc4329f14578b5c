/** `sluice watch` */
import { sluiceError } from '../../base/errors.ts'
import type { WatchCycle } from '../../run/api.ts'
import type { Run } from '../command.ts'
import { cycleLine } from '../render/cycle.ts'

export const run: Run<'watch'> = async (context, { every, select, exclude, parameter, concurrency }) => {
  const { terminal, signal } = context
  const everyMs = millisecondsOf(every)
  await using project = await context.open()
  const { out } = terminal
  const show = (cycle: WatchCycle): Promise<void> =>
    terminal.json ? out.data(`${JSON.stringify(cycleData(cycle))}\n`) : out.line(cycleLine(cycle, out.paint))
  let shown: Promise<void> = Promise.resolve()
  await terminal.note(`Watching ${project.definition.config.name}; Ctrl-C ends it.`)
  await project.watch({
    everyMs,
    select,
    exclude,
    parameters: parameter,
    ...(concurrency === undefined ? {} : { concurrency }),
    signal,
    onCycle: (cycle) => {
      shown = shown.then(() => show(cycle))
    },
  })
  await shown
  return 0
}

const units = { ms: 1, s: 1000, m: 60_000 } as const

/** @example millisecondsOf('1.5s') // 1500 */
function millisecondsOf(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? []
  const ms = Number(amount) * units[unit as keyof typeof units]
  if (ms >= 100 && ms <= 86_400_000) return ms
  throw sluiceError('Cli.BadValue', {
    option: '--every',
    value: text,
    expected: 'a time from 100ms to 1440m, such as 500ms, 5s or 2m',
  })
}

function cycleData({ isBusy, id, summary, nextMs }: WatchCycle): object {
  return isBusy ? { status: 'busy', nextMs } : { run: id, ...summary, nextMs }
}
