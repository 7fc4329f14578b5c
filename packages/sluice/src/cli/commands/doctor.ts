/** `sluice doctor` */
import type { Run } from '../command.ts'
import { visible } from '../render/text.ts'

const marks = { ok: ['green', '✔'], warn: ['yellow', '!'], fail: ['red', '✖'] } as const

export const run: Run<'doctor'> = async (context) => {
  const { terminal } = context
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
