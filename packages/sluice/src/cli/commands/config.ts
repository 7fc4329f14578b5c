/** `sluice config` */
import { isReference } from '../../definition/problems/references.ts'
import type { OpenProject, ProjectSetting } from '../../run/api.ts'
import type { Context, Run } from '../command.ts'
import { writeList } from '../render/rows.ts'

/** Keys whose values are secret, should somebody have written one where a reference belongs. */
const secretKey = /pass(word|wd)?$|secret|token|api_?key|authorization|credential|private_?key/i

export const run: Run<'config'> = async (context, { resolved }) => {
  await using project = await context.open()
  if (resolved) return listSettings(context, project)
  await context.terminal.out.json(JSON.parse(JSON.stringify(project.definition.config, mask)))
  return 0
}

function mask(key: string, value: unknown): unknown {
  return typeof value === 'string' && secretKey.test(key) ? '***' : value
}

async function listSettings({ terminal, environment }: Context, project: OpenProject): Promise<number> {
  const columns = [{ key: 'setting' }, { key: 'value' }, { key: 'source' }, { key: 'found' }]
  const chosen =
    environment === undefined ? [] : [{ setting: 'environment', value: environment.name, source: environment.source }]
  const settings = (await project.settings()).map((one) => ({ ...one, value: mask(one.setting, one.value) }))
  await writeList<ProjectSetting>(terminal, columns, [...chosen, ...settings], ({ setting, value, source, found }) => ({
    setting,
    value: isReference(value) ? named(value) : typeof value === 'object' ? JSON.stringify(value) : String(value),
    source,
    found: isReference(value) ? (found ?? 'nowhere') : '',
  }))
  return 0
}

/** A reference by its name: what it stands for is never shown. */
function named(reference: { readonly $secret: string } | { readonly $env: string }): string {
  return '$secret' in reference ? `secret ${reference.$secret}` : `env ${reference.$env}`
}
