/** `sluice config` */
import type { Run } from '../command.ts'

/** Keys whose values are secret, should somebody have written one where a reference belongs. */
const secretKey = /pass(word|wd)?$|secret|token|api_?key|authorization|credential|private_?key/i

export const run: Run<'config'> = async (context) => {
  await using project = await context.open()
  const mask = (key: string, value: unknown): unknown =>
    typeof value === 'string' && secretKey.test(key) ? '***' : value
  await context.terminal.out.json(JSON.parse(JSON.stringify(project.definition.config, mask)))
  return 0
}
