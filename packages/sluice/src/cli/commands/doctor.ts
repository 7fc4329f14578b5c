/** `sluice doctor` */
import type { Context, Run } from '../command.ts'
import { visible } from '../render/text.ts'

const marks = { ok: ['green', '✔'], warn: ['yellow', '!'], fail: ['red', '✖'] } as const

export const run: Run<'doctor'> = async (context, input) => {
  const { terminal } = context
  if (input.release) return release(context)
  await using project = await context.open()
  const findings = await project.doctor()
  const failed = findings.some((finding) => finding.status === 'fail')
  if (terminal.json) await terminal.out.json(findings)
  else {
    const widest = Math.max(0, ...findings.map((finding) => finding.name.length))
    for (const { name, status, detail, fix } of findings) {
      const [look, mark] = marks[status]
      await terminal.out.line(`${terminal.out.paint(look, mark)} ${name.padEnd(widest)}  ${visible(detail)}`)
      if (fix !== undefined && status !== 'ok') await terminal.out.line(`  ${' '.repeat(widest)}  ${visible(fix)}`)
    }
  }
  if (!failed) await terminal.next('sluice check')
  return failed ? 1 : 0
}

/** Asks for each lease that is held by a run which this machine cannot see at work. */
async function release(context: Context): Promise<number> {
  const { terminal, confirm } = context
  await using project = await context.open()
  const freed = await project.release(({ run, host, pipelines, since, lastHeard }) =>
    confirm(
      `Release ${pipelines.join(', ')}, held by run ${run} of the machine ${host} since ${since} (last heard ${lastHeard})? If it lives, it publishes nothing more.`,
    ),
  )
  if (terminal.json) await terminal.out.json(freed)
  else
    for (const { run, pipelines } of freed)
      await terminal.out.line(`Run ${run} no longer holds ${visible(pipelines.join(', '))}.`)
  if (freed.length === 0) await terminal.note('No lease was released.')
  else await terminal.next('sluice run')
  return 0
}
