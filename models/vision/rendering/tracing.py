"""From a plan to light: Mitsuba 3 traces the paths (BSD licence; extra `train`).

The renderer's LLVM variant compiles for the processor at hand and needs libLLVM 15 or newer; where
there is none, the scalar variant does the same four times slower.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.rendering.scene import (
    FIELD_OF_VIEW,
    HEIGHT_PX,
    MARGIN,
    WIDTH_PX,
    Lamp,
    Lens,
    Scene,
)
from models.vision.rendering.solids import Solid
from models.vision.rendering.surfaces import Material
from models.vision.rendering.truth import lens_map

Light = NDArray[np.float32]


class RendererMissing(Exception):
    """Mitsuba is not installed, or cannot run here; the message names the cure."""


def start_renderer(variant: str | None = None) -> str:
    """Load Mitsuba once in this process, on one thread.

    Returns:
        The variant that runs.

    Raises:
        RendererMissing: it is not installed.
    """
    library = _newest_llvm()
    if library is not None:
        os.environ.setdefault("DRJIT_LIBLLVM_PATH", str(library))
    try:
        import drjit
        import mitsuba
    except ImportError as error:
        raise RendererMissing(
            "the renderer needs Mitsuba; install the extra: pip install 'rvm-edge[train]'"
        ) from error
    chosen = variant or ("llvm_ad_rgb" if library is not None else "scalar_rgb")
    mitsuba.set_variant(chosen)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    drjit.set_thread_count(1)
    return chosen


def _newest_llvm() -> Path | None:
    """Debian keeps old ones beside it, and those below 15 crash."""
    found = [
        (int(path.name.split("-")[1].split(".")[0]), path)
        for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
        for path in Path(folder).glob("libLLVM-[0-9]*.so*")
    ] + [
        (int(path.name.split(".so.")[1].split(".")[0]), path)
        for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
        for path in Path(folder).glob("libLLVM.so.[0-9]*")
    ]
    sound = [entry for entry in found if entry[0] > 15]
    return max(sound)[1] if sound else None


def trace(scene: Scene, *, samples: int, seed: int) -> Light:
    """Render: linear light, float32 (H, W, 3) RGB, before a lens has bent it.

    Args:
        samples: paths a pixel; the noise falls with their square root, the time grows with them.
        seed: of the paths.
    """
    import mitsuba

    described: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": scene.depth},
        "sensor": _sensor(scene.lens),
        "sky": {"type": "constant", "radiance": _rgb(scene.ambient)},
    }
    for number, lamp in enumerate(scene.lamps):
        described[f"lamp{number}"] = _lamp(lamp)
    things = [part for item in scene.items for part in item.parts]
    for number, part in enumerate((*scene.furniture, *things)):
        described[f"part{number}"] = _mesh(part.solid, part.material)
    loaded = mitsuba.load_dict(described)
    return np.array(mitsuba.render(loaded, spp=samples, seed=seed), dtype=np.float32)


def through_lens(light: Light, lens: Lens) -> Light:
    """Bend traced light as the lens does: float32 (H, W, 3), as it falls on the sensor.

    What is to be denoised is denoised before: the bending mixes neighbours, and noise that they
    share is taken for a pattern.
    """
    across, down = lens_map(lens)
    seen = cv2.remap(light, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)


def _sensor(lens: Lens) -> dict[str, Any]:
    from mitsuba import ScalarTransform4f

    right, down, forward = lens.axes
    # Mitsuba's camera has x to the left and y up.
    frame = np.eye(4)
    frame[:3, 0], frame[:3, 1], frame[:3, 2], frame[:3, 3] = -right, -down, forward, lens.eye
    half = np.tan(np.radians(FIELD_OF_VIEW / 2)) * MARGIN
    return {
        "type": "perspective",
        "fov": float(2 * np.degrees(np.arctan(half))),
        "fov_axis": "x",
        "to_world": ScalarTransform4f(frame),
        "film": {
            "type": "hdrfilm",
            "width": WIDTH_PX,
            "height": HEIGHT_PX,
            "pixel_format": "rgb",
            "component_format": "float32",
            "rfilter": {"type": "box"},
        },
        "sampler": {"type": "independent"},
    }


def _lamp(lamp: Lamp) -> dict[str, Any]:
    from mitsuba import ScalarTransform4f

    place = ScalarTransform4f().look_at(lamp.centre.tolist(), lamp.toward.tolist(), [0, 1, 0])
    return {
        "type": "rectangle",
        "to_world": place @ ScalarTransform4f().scale([*lamp.size, 1]),
        "emitter": {"type": "area", "radiance": _rgb(lamp.radiance)},
    }


def _rgb(colour: tuple[float, float, float]) -> dict[str, Any]:
    return {"type": "rgb", "value": [float(part) for part in colour]}


def _mesh(solid: Solid, material: Material) -> Any:
    import mitsuba

    properties = mitsuba.Properties()
    properties["bsdf"] = mitsuba.load_dict(_surface(material))
    if solid.normals is None:
        properties["face_normals"] = True
    mesh = mitsuba.Mesh(
        "part",
        vertex_count=len(solid.vertices),
        face_count=len(solid.faces),
        has_vertex_normals=solid.normals is not None,
        has_vertex_texcoords=solid.uv is not None,
        props=properties,
    )
    fields = mitsuba.traverse(mesh)
    fields["vertex_positions"] = solid.vertices.astype(np.float32).ravel()
    fields["faces"] = solid.faces.astype(np.uint32).ravel()
    if solid.normals is not None:
        fields["vertex_normals"] = solid.normals.astype(np.float32).ravel()
    if solid.uv is not None:
        fields["vertex_texcoords"] = solid.uv.astype(np.float32).ravel()
    fields.update()
    return mesh


def _surface(material: Material) -> dict[str, Any]:
    colour = _texture(material)
    if material.kind == "film":
        film = {"type": "thindielectric", "int_ior": material.ior, "specular_transmittance": colour}
        if not material.haze:
            return film
        scratched = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.7}}
        return {
            "type": "blendbsdf",
            "weight": material.haze,
            "clear": film,
            "scratched": {"type": "twosided", "bsdf": scratched},
        }
    if material.kind == "clear":
        return {"type": "dielectric", "int_ior": material.ior, "specular_transmittance": colour}
    if material.kind == "metal":
        shiny = {
            "type": "roughconductor",
            "alpha": material.roughness,
            "specular_reflectance": colour,
        }
        return {"type": "twosided", "bsdf": {**shiny, "material": "Al"}}
    if material.kind == "plastic":
        lacquer = {
            "type": "roughplastic",
            "alpha": material.roughness,
            "int_ior": material.ior,
            "diffuse_reflectance": colour,
        }
        return {"type": "twosided", "bsdf": lacquer}
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": colour}}


def _texture(material: Material) -> dict[str, Any]:
    import mitsuba

    if material.texture is None:
        return _rgb(material.colour)
    # Rows of a print run along the axis, which is u; Mitsuba's v points up.
    turned = np.ascontiguousarray(material.texture.transpose(1, 0, 2)[::-1])
    return {"type": "bitmap", "bitmap": mitsuba.Bitmap(turned), "filter_type": "bilinear"}
