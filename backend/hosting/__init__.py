"""Classes on label-studio-ml's ``LabelStudioMLBase``, run by Labelgate itself.

``hosted_class`` alone knows label-studio-ml; ``program`` is the worker process, ``host`` the other
end of its pipes. Nothing of Labelgate's settings reaches a class but what ``spec`` hands over.
"""
