/** Where the values of a configuration came from, down to the file in which a reference has its value. */
import { settingsOf } from '../../definition/environments.ts'
import { isReference } from '../../definition/problems/references.ts'
import type { ProjectConfig } from '../../definition/types.ts'
import type { ProjectSetting } from '../api.ts'
import { readConfig } from './load.ts'
import { placeOf } from './secrets.ts'

/**
 * Every value of a project's configuration with its source. What a reference stands for is not read, only where it is.
 *
 * @example await projectSettings('/home/me/shop', project.config)
 */
export async function projectSettings(root: string, config: ProjectConfig): Promise<readonly ProjectSetting[]> {
  const settings = settingsOf(await readConfig(root), config.environment?.name)
  return Promise.all(
    settings.map(async (setting) => {
      const { value } = setting
      if (!isReference(value)) return setting
      const kept = await placeOf('$secret' in value ? value.$secret : value.$env, root, config)
      const hasDefault = '$env' in value && value.default !== undefined
      return { ...setting, found: kept ?? (hasDefault ? 'its default' : undefined) }
    }),
  )
}
